"""One idea a file: none of the runtime's is long."""

from __future__ import annotations

from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "runtime" / "src"
LINES = 320


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_file_holds_about_300_lines_at_most(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LINES
