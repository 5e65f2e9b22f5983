"""A warning before results fill the memory (R30)."""

from __future__ import annotations

import warnings
from pathlib import Path

import kubefuture as kf
import pytest
from kubefuture.api import weight
from kubefuture.api.weight import Weight
from kubefuture.core.resources import free_memory
from kubefuture.protocol.messages import Span

MIB = 1 << 20


def span(count: int, size: int) -> Span:
    """Results that have come."""
    return Span(1, 0, [bytes(size)] * count)


def warned(weight: Weight, *spans: Span) -> list[str]:
    """What is said when these results come."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for one in spans:
            weight.add(one)
    return [str(each.message) for each in caught]


def test_R30_results_over_half_of_the_free_memory_are_warned_about_once_with_the_first_ones():
    texts = warned(Weight("fit", 1000, lambda: 1000 * MIB), span(1, MIB), span(1, MIB))
    assert len(texts) == 1
    assert (
        "of fit will take about 1.0 GiB, if the others are like the first one, and 1.0 GiB of memory"
        in texts[0]
    )


def test_R30_results_that_fit_are_not_warned_about():
    assert not warned(Weight("fit", 1000, lambda: 2001 * MIB), span(1, MIB))
    assert not warned(Weight("fit", 1000, lambda: 0), *[span(100, 8)] * 10)


def test_R30_what_is_here_already_is_not_counted_twice():
    assert not warned(Weight("fit", 100, lambda: 60 * MIB), span(90, MIB))


def test_R30_a_map_of_unknown_length_warns_about_nothing_that_is_still_to_come():
    assert not warned(Weight("fit", None, lambda: 1), span(100, MIB))


def test_R30_where_the_kernel_does_not_tell_nobody_warns():
    assert not warned(Weight("fit", 1000, lambda: None), span(1, MIB))


@pytest.fixture
def little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with little of it left."""
    monkeypatch.setattr(weight.Weight.__init__, "__defaults__", (lambda: 16 * MIB,))


@pytest.mark.usefixtures("little_memory")
def test_R30_a_map_warns_at_the_users_line_and_returns_all_the_same():
    with kf.plan("local", workers=2), pytest.warns(UserWarning, match="will take about") as caught:
        assert sum(map(len, kf.map(lambda _: bytes(4 * MIB), range(40)))) == 160 * MIB
    assert [Path(each.filename).name for each in caught] == [Path(__file__).name]


@pytest.mark.usefixtures("little_memory")
def test_R30_imap_gives_results_one_by_one_and_does_not_warn():
    with kf.plan("local", workers=2), warnings.catch_warnings():
        warnings.simplefilter("error")
        for result in kf.imap(lambda _: bytes(4 * MIB), range(40)):
            assert len(result) == 4 * MIB


def test_R30_free_memory_is_the_least_of_the_machine_and_its_control_groups(tmp_path):
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/meminfo").write_text("MemTotal: 4096 kB\nMemAvailable: 2048 kB\n")
    (tmp_path / "proc/self/cgroup").write_text("0::/job\n")
    assert free_memory(tmp_path) == 2 * MIB
    group = tmp_path / "sys/fs/cgroup/job"
    group.mkdir(parents=True)
    for name, text in {
        "memory.max": f"{3 * MIB}",
        "memory.current": f"{2 * MIB}",
        "memory.stat": "inactive_file 0",
    }.items():
        (group / name).write_text(f"{text}\n")
    assert free_memory(tmp_path) == MIB
    assert free_memory(tmp_path / "nothing") is None
