"""Output: what elements print, warn and log appears where they were called, once, in their order."""

from __future__ import annotations

import contextlib
import io
import logging
import subprocess
import sys
import warnings
from collections.abc import Callable
from functools import partial

import kubefuture as kf
from kubefuture.backends.capabilities import Capability
from kubefuture.errors import PlanError

from .claim import Target, raised

_NUMBERS = range(50)


def _speak(number: int) -> int:
    print(f"stdout {number}: ä")
    print(f"stderr {number}: ö", file=sys.stderr)
    return number


_STDOUT = "".join(f"stdout {number}: ä\n" for number in _NUMBERS)
_STDERR = "".join(f"stderr {number}: ö\n" for number in _NUMBERS)


def _warn(number: int) -> int:
    warnings.warn(f"about {number}", DeprecationWarning, stacklevel=1)
    return number


def _relayed(call: Callable[[], object]) -> tuple[str, str]:
    """What a call gives out in this program: stdout and stderr."""
    with (
        contextlib.redirect_stdout(io.StringIO()) as stdout,
        contextlib.redirect_stderr(io.StringIO()) as stderr,
    ):
        call()
    return stdout.getvalue(), stderr.getvalue()


def what_a_map_prints_arrives_in_its_elements_order(plan: Target) -> None:
    for chunk_size in (None, 1, 7):
        call = partial(kf.options(chunk_size=chunk_size).map, _speak, _NUMBERS)
        assert _relayed(call) == (_STDOUT, _STDERR)


def an_imap_relays_in_order_and_its_results_are_the_same(plan: Target) -> None:
    results: list[int] = []
    assert _relayed(lambda: results.extend(kf.imap(_speak, _NUMBERS))) == (_STDOUT, _STDERR)
    assert results == list(_NUMBERS)


def a_future_relays_once_in_place_or_when_its_result_is_asked_for(plan: Target) -> None:
    futures: list[kf.Future[int]] = []
    begun = _relayed(lambda: futures.append(kf.future(_speak, 3)))
    asked = _relayed(futures[0].result)
    assert {begun, asked} == {("", ""), ("stdout 3: ä\n", "stderr 3: ö\n")}
    assert (begun == ("", "")) == plan.can(Capability.WORKERS)
    assert _relayed(futures[0].result) == ("", "")


def what_an_element_printed_before_it_raised_arrives_with_its_error(plan: Target) -> None:
    def complain(number: int) -> None:
        print(f"about to fail on {number}")
        raise ValueError(number)

    assert _relayed(lambda: raised(ValueError, kf.map, complain, [1])) == ("about to fail on 1\n", "")
    options = kf.options(on_error="return", chunk_size=2)
    stdout, _ = _relayed(lambda: options.map(complain, range(4)))
    assert stdout == "".join(f"about to fail on {number}\n" for number in range(4))


def warnings_are_issued_again_with_their_category_text_and_origin(plan: Target) -> None:
    line = _warn.__code__.co_firstlineno + 1
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        kf.map(_warn, range(4))
    assert [(one.category, str(one.message)) for one in caught] == [
        (DeprecationWarning, f"about {number}") for number in range(4)
    ]
    assert {(one.filename, one.lineno) for one in caught} == {(__file__, line)}


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
    logger, handler = logging.getLogger("kubefuture-claims"), _Handler(records)
    logger.addHandler(handler)
    logger.propagate = False
    try:
        kf.map(log, range(3))
    finally:
        logger.removeHandler(handler)
        logger.propagate = True
    assert [(one.name, one.levelname, one.getMessage()) for one in records] == [
        entry
        for number in range(3)
        for entry in (
            ("kubefuture-claims.one", "WARNING", f"about {number}"),
            ("kubefuture-claims", "ERROR", "went wrong"),
        )
    ]
    assert "ValueError: 0" in (records[1].exc_text or logging.Formatter().format(records[1]))


def output_false_drops_everything(plan: Target) -> None:
    def all_of_it(number: int) -> int:
        warnings.warn("unheard", stacklevel=1)
        logging.getLogger("kubefuture-claims").error("unheard")
        return _speak(number)

    quiet = kf.options(output=False)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert _relayed(lambda: quiet.map(all_of_it, range(3))) == ("", "")
        assert _relayed(lambda: quiet.future(all_of_it, 3).result()) == ("", "")
    assert caught == []
    assert "output='loud'" in str(raised(PlanError, kf.options, output="loud"))


def live_output_arrives_once_and_whole(plan: Target) -> None:
    live = kf.options(output="live")
    stdout, stderr = _relayed(lambda: live.map(_speak, _NUMBERS))
    assert sorted(stdout.splitlines()) == sorted(_STDOUT.splitlines())
    assert sorted(stderr.splitlines()) == sorted(_STDERR.splitlines())
    stdout, _ = _relayed(lambda: live.future(_speak, 3).result())
    assert stdout == "stdout 3: ä\n"


def programs_and_c_code_are_heard_where_that_can_be(plan: Target) -> None:
    """The sequential plan's are the caller's own."""

    def everybody(number: int) -> None:
        print(f"python {number}")
        subprocess.run(["echo", f"child {number}"], check=True)

    if plan.can(Capability.WORKERS):
        stdout, _ = _relayed(lambda: kf.options(chunk_size=4).map(everybody, range(8)))
        child = "child {0}\n" if plan.can(Capability.CHILDREN) else ""
        assert stdout == "".join(("python {0}\n" + child).format(number) for number in range(8))


class _Handler(logging.Handler):
    """Keeps the records that come."""

    def __init__(self, records: list[logging.LogRecord]) -> None:
        super().__init__()
        self._records = records

    def emit(self, record: logging.LogRecord) -> None:
        self._records.append(record)
