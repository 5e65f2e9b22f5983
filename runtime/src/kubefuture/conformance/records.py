"""Records: warnings and log records are those of the program, wherever they come from."""

from __future__ import annotations

import contextlib
import logging
import sys
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import kubefuture as kf
from kubefuture.backends.capabilities import Capability

from .claim import Target, raised, relayed


def _warn(number: int) -> int:
    warnings.warn(f"about {number}", DeprecationWarning, stacklevel=1)
    return number


def warnings_are_issued_again_with_their_category_text_and_origin(plan: Target) -> None:
    line = _warn.__code__.co_firstlineno + 1
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        kf.map(_warn, range(4))
    assert [(one.category, str(one.message)) for one in caught] == [
        (DeprecationWarning, f"about {number}") for number in range(4)
    ]
    # A worker elsewhere may have this file at another place.
    origins = {(tuple(Path(one.filename).parts[-3:]), one.lineno) for one in caught}
    assert origins == {(Path(__file__).parts[-3:], line)}


def the_callers_filters_decide_which_warnings_are_shown(plan: Target) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore", DeprecationWarning)
        kf.map(_warn, range(4))
    assert caught == []
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        assert "about" in str(raised(DeprecationWarning, kf.map, _warn, range(4)))


def log_records_come_to_the_logger_of_their_name(plan: Target) -> None:
    def log(number: int) -> None:
        logging.getLogger("kubefuture-claims.one").warning("about %s", number)
        try:
            raise ValueError(number)
        except ValueError:
            logging.getLogger("kubefuture-claims").exception("went wrong")

    records: list[logging.LogRecord] = []
    with _heard_by(_Handler(records)):
        kf.map(log, range(3))
    assert [(one.name, one.levelname, one.getMessage()) for one in records] == [
        entry
        for number in range(3)
        for entry in (
            ("kubefuture-claims.one", "WARNING", f"about {number}"),
            ("kubefuture-claims", "ERROR", "went wrong"),
        )
    ]
    assert "ValueError: 0" in (records[1].exc_text or logging.Formatter().format(records[1]))


def a_mistake_in_a_log_line_is_told_and_fails_nothing(plan: Target) -> None:
    """As in Python itself."""

    class Silent:
        def __str__(self) -> str:
            raise OSError("no words")

    def log(number: int) -> int:
        logger = logging.getLogger("kubefuture-claims")
        logger.error("%d items", "three")
        logger.error(Silent())
        logger.error("and on")
        return number

    records: list[logging.LogRecord] = []
    with _heard_by(_Formatting(records)):
        _, stderr = relayed(lambda: kf.map(log, range(2)))
    assert stderr.count("--- Logging error ---") == 4
    assert stderr.count("OSError: no words") == 2 and stderr.count("Message: '%d items'") == 2
    assert [one.getMessage() for one in records] == ["and on"] * 2


def a_flood_of_warnings_and_log_records_hides_no_others(plan: Target) -> None:
    """R16: 1,000 of each are kept, where the sequential plan keeps all."""

    def flood(_: int) -> None:
        for number in range(1500):
            warnings.warn(f"old {number}", DeprecationWarning, stacklevel=1)
            logging.getLogger("kubefuture-claims.chatty").error("line %d", number)
        warnings.warn("ill-conditioned", RuntimeWarning, stacklevel=1)
        logging.getLogger("kubefuture-claims").critical("it matters")

    records: list[logging.LogRecord] = []
    with _heard_by(_Handler(records)), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _, stderr = relayed(lambda: kf.map(flood, [0]))
    kept = 1000 if plan.can(Capability.WORKERS) else 1501
    assert (len(caught), len(records)) == (kept, kept)
    assert str(caught[-1].message) == "ill-conditioned" and records[-1].getMessage() == "it matters"
    assert ("the rest was left out" in stderr) == plan.can(Capability.WORKERS)


def the_same_warning_again_and_again_is_kept_a_hundred_times_at_most(plan: Target) -> None:
    def repeat(_: int) -> None:
        for _again in range(1500):
            warnings.warn("the same", DeprecationWarning, stacklevel=1)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert relayed(lambda: kf.map(repeat, [0])) == ("", "")
    assert len(caught) == (100 if plan.can(Capability.WORKERS) else 1500)


def loggers_have_the_programs_levels_where_elements_run(plan: Target) -> None:
    def log(_: int) -> tuple[bool, bool]:
        loud, silent = (
            logging.getLogger("kubefuture-claims.loud"),
            logging.getLogger("kubefuture-claims.silent"),
        )
        for logger in (loud, silent, logging.getLogger("kubefuture-claims.other")):
            logger.info("from %s", logger.name)
        return loud.isEnabledFor(logging.INFO), silent.isEnabledFor(logging.ERROR)

    records: list[logging.LogRecord] = []
    loud, silent = logging.getLogger("kubefuture-claims.loud"), logging.getLogger("kubefuture-claims.silent")
    root = logging.getLogger().level
    logging.getLogger().setLevel(logging.WARNING)
    try:
        with _heard_by(_Handler(records)):
            loud.setLevel(logging.INFO)
            silent.setLevel(logging.CRITICAL)
            assert kf.map(log, [0]) == [(True, False)] == [kf.future(log, 0).result()]
            assert [one.name for one in records] == ["kubefuture-claims.loud"] * 2
            loud.setLevel(logging.NOTSET)
            silent.setLevel(logging.NOTSET)
            assert kf.map(log, [0]) == [(False, True)] == [kf.future(log, 0).result()]
            assert len(records) == 2
    finally:
        logging.getLogger().setLevel(root)


def an_element_that_sets_up_logging_is_heard_by_later_calls_once(plan: Target) -> None:
    """Where it is not the program's own logging that it sets up."""
    if not plan.can(Capability.WORKERS):
        return

    def set_up(_: int) -> None:
        logging.basicConfig(level=logging.CRITICAL, force=True)

    records: list[logging.LogRecord] = []
    with _heard_by(_Handler(records)):
        kf.map(set_up, range(2 * plan.workers))
        call = partial(kf.map, logging.getLogger("kubefuture-claims").error, ["said"] * 4 * plan.workers)
        assert relayed(call) == ("", "")
    assert len(records) == 4 * plan.workers


def a_warning_about_who_called_the_function_is_at_the_calls_line(plan: Target) -> None:
    """Where it is relayed: in place it comes from the frame that called it, which is ours."""
    if not plan.can(Capability.WORKERS):
        return

    def blame(_: int) -> None:
        warnings.warn("you called it", UserWarning, stacklevel=2)

    for seed in (None, 1):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            line = sys._getframe().f_lineno + 1
            kf.map(blame, [0], seed=seed)
        assert [(one.filename, one.lineno) for one in caught] == [(__file__, line)]


@contextlib.contextmanager
def _heard_by(handler: logging.Handler) -> Iterator[None]:
    """A handler of the logger `kubefuture-claims`, and of nothing above it."""
    logger = logging.getLogger("kubefuture-claims")
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = True


class _Handler(logging.Handler):
    """Keeps the records that come."""

    def __init__(self, records: list[logging.LogRecord]) -> None:
        super().__init__()
        self._records = records

    def emit(self, record: logging.LogRecord) -> None:
        self._records.append(record)


class _Formatting(_Handler):
    """Makes text of them first, and says what went wrong with that."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self.format(record)
        except Exception:
            self.handleError(record)
        else:
            super().emit(record)
