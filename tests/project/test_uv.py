"""uv's own words become one reason, whichever way this or that version of it prints them."""

from __future__ import annotations

import pytest
from kubefuture.project import uv
from kubefuture.project.uv_cache import without_a_cache_if_need_be

PLAIN = """\
error: No solution found when resolving dependencies for split (markers: python_full_version >= '3.12')
  cause: Because nosuch was not found in the package registry and you require nosuch, we can conclude that ...

hint: While the active Python version is 3.11, the resolution failed for other Python versions.
"""
BOXES = """\
Using CPython 3.11.7
\x1b[31m  ×\x1b[0m No solution found when resolving dependencies:
  ╰─▶ Because nosuch was not found in the package registry and you require nosuch, we can conclude that ...
"""
SIGNS = """\
error: Couldn't parse requirement in `x.in` at position 0
  cause: no such comparison operator "=>", must be one of ~= == != <= >= < > ===
         numpy=>1
              ^^^
"""
HASHES = """\
Resolved 2 packages in 52ms
error: Failed to download `cloudpickle==3.1.2`
  Caused by: Hash mismatch for `cloudpickle==3.1.2`
"""


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (PLAIN, "Because nosuch was not found"),
        (BOXES, "Because nosuch was not found"),
        (SIGNS, "no such comparison operator"),
        (HASHES, "Failed to download `cloudpickle==3.1.2`: Hash mismatch"),
        ("", "it gave no reason"),
        ("warning: beware\nkilled", "killed"),
    ],
)
def test_the_reason_is_found(said, words):
    reason = uv.reason(said)
    assert words in reason
    assert "\n" not in reason
    assert "hint" not in reason


def test_uv_goes_without_a_cache_where_none_can_be_written(tmp_path):
    fine = {"HOME": str(tmp_path), "PATH": "/bin"}
    assert without_a_cache_if_need_be(fine) == fine
    assert list((tmp_path / ".cache" / "uv").iterdir()) == []
    for settings in (
        {"HOME": "/proc"},
        {**fine, "XDG_CACHE_HOME": "/proc"},
        {**fine, "UV_CACHE_DIR": "/proc/x"},
    ):
        assert without_a_cache_if_need_be(settings) == {**settings, "UV_NO_CACHE": "1"}
