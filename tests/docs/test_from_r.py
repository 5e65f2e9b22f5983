"""Each row of the table for people who come from R holds: what stands under "here" does what R's word does."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from threading import Event

import kubefuture as kf
import numpy as np
import pytest
from kubefuture.errors import PlanError

from tests.faults.programs import Cluster

PAGE = Path(__file__).parents[2] / "docs" / "tutorial" / "from-r.md"

ROWS: dict[str, Callable[[], object]] = {}
"""What is checked for a row, by what it says of R."""


def rows() -> dict[str, str]:
    """The table: what R has, and what stands for it here."""
    lines = [
        re.split(r" \| ", line.strip().strip("|").strip())
        for line in PAGE.read_text(encoding="utf-8").splitlines()
        if line.startswith("| ")
    ]
    return {cells[0]: cells[1].strip(" |") for cells in lines[1:]}


def row(said: str) -> Callable[[Callable[[], object]], Callable[[], object]]:
    """Checks the row that begins like this."""

    def note(check: Callable[[], object]) -> Callable[[], object]:
        ROWS[said] = check
        return check

    return note


@pytest.fixture(autouse=True)
def two_workers():
    with kf.plan("local", workers=2):
        yield


def draws(_: int) -> float:
    return float(np.random.normal())


def power(base: int, exponent: int) -> int:
    return base**exponent


@row("`plan(sequential)`")
def _() -> None:
    with kf.plan("sequential"):
        assert kf.n_workers() == 1 and kf.map(abs, [-1]) == [1]


@row("`plan(multisession, workers = 4)`")
def _() -> None:
    with kf.plan("local", workers=4):
        assert kf.n_workers() == 4
    with kf.plan("local"):
        assert kf.n_workers() == kf.available_cores()


@row("`plan()`")
def _() -> None:
    with kf.plan("local", workers=1):
        assert kf.plan().kind == "local"
        assert kf.plan().kind == "local"


@row("`plan(cluster, …)`")
def _() -> None:
    with Cluster(2) as cluster, kf.plan("cluster", connection=cluster.connection):
        assert kf.map(abs, [-1, -2]) == [1, 2] and kf.n_workers() == 2


@row("`with(plan(…), local = TRUE)`")
def _() -> None:
    with kf.plan("sequential"):
        assert kf.n_workers() == 1
    assert kf.n_workers() == 2


@row("`oplan <- plan(…)`, `plan(oplan)`")
def _() -> None:
    old = kf.plan("sequential")
    assert kf.n_workers() == 1
    kf.plan(old)
    assert kf.n_workers() == 2


@row("`future_lapply(x, f)`")
def _() -> None:
    assert kf.map(abs, range(-3, 0)) == [3, 2, 1]


@row("`future_sapply(x, f)`, `future_vapply`")
def _() -> None:
    assert (np.array(kf.map(abs, range(-3, 0))) == [3, 2, 1]).all()


@row("`future_mapply(f, x, y)`, `future_Map`")
def _() -> None:
    assert kf.map(power, [2, 3, 4], [3, 2]) == [8, 9]


@row("`future_lapply(x, f, k = 2)`")
def _() -> None:
    assert kf.map(partial(power, exponent=2), [2, 3]) == [4, 9]


@row("`future.seed = TRUE`")
def _() -> None:
    assert kf.map(draws, range(3), seed=True) != kf.map(draws, range(3), seed=True)


@row("`future.seed = 42`, or `set.seed(42)` before")
def _() -> None:
    assert kf.map(draws, range(3), seed=42) == kf.map(draws, range(3), seed=42)


@row("`future.seed = list(…)`")
def _() -> None:
    first, second, third = kf.map(draws, range(3), seed=[1, 2, 1])
    assert first == third != second


@row("`future.chunk.size = 10`")
def _() -> None:
    assert kf.map(abs, range(25), chunk_size=10) == list(range(25))


@row("`f <- future(expr)`")
def _() -> None:
    f = kf.future(power, 2, 10)
    assert f.result() == 1024


@row("`value(f)`")
def _() -> None:
    f, g = kf.future(power, 2, 10), kf.future(power, 3, 2)
    assert kf.value({"f": f, "both": [f, g]}) == {"f": f.result(), "both": [1024, 9]}


@row("`resolved(f)`")
def _() -> None:
    f = kf.future(power, 2, 10)
    f.result()
    assert f.done()


@row("`cancel(f)`")
def _() -> None:
    f = kf.future(lambda stay: stay().wait(), Event)  # it runs, or is about to
    assert f.cancel() and f.cancelled()
    assert kf.map(abs, [-1, -2]) == [1, 2]


@row("`f %<-% expr`")
def _() -> None:
    assert rows()["`f %<-% expr`"] == "none"


@row("`nbrOfWorkers()`")
def _() -> None:
    assert kf.n_workers() == 2


@row("`nbrOfFreeWorkers()`")
def _() -> None:
    kf.map(abs, [-1])
    assert kf.n_free_workers() == 2


@row("`availableCores()`")
def _() -> None:
    assert kf.available_cores() >= 1


@row("`handlers(global = TRUE)` of progressr")
def _() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    seen = []
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr("kubefuture.api.progress._FIRST_SHOWN", 0.0)
        for progress in (None, False):
            monkeypatch.setattr(sys, "stderr", Terminal())
            kf.map(abs, range(3), progress=progress)
            seen.append(sys.stderr.getvalue())
    assert "/3 " in seen[0] and seen[1] == ""


@row("`tryCatch(…)` for each element")
def _() -> None:
    good, bad = kf.options(on_error="return").map(lambda x: 1 / x, [1, 0])
    assert good == 1 and isinstance(bad, ZeroDivisionError)


@row("`foreach` with doFuture, `furrr`")
def _() -> None:
    assert list(kf.imap(abs, [-1, -2])) == [1, 2]
    with kf.ClusterExecutor() as executor:
        assert list(executor.map(abs, [-1, -2])) == [1, 2]


@pytest.mark.parametrize("said", ROWS)
def test_a_row_of_the_table_holds(said: str) -> None:
    assert said in rows()
    ROWS[said]()


def test_every_row_of_the_table_is_checked() -> None:
    assert list(rows()) == list(ROWS)


def test_libraries_do_not_choose_the_plan() -> None:
    """As the page says: inside an element `kf.plan` changes nothing."""
    with pytest.raises(PlanError):
        kf.plan("multicore")
    assert kf.map(lambda _: (kf.plan("local", workers=2), kf.n_workers())[1], [0]) == [1]
