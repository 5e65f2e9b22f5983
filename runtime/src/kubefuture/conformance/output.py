"""Output: what elements print, warn and log appears where they were called, once, in their order."""

from __future__ import annotations

import gc
import io
import logging
import subprocess
import sys
import time
import warnings
import weakref
from functools import partial
from typing import cast

import kubefuture as kf
from kubefuture.backends.capabilities import Capability
from kubefuture.errors import PlanError

from .claim import Target, raised, relayed

_NUMBERS = range(50)


def _speak(number: int) -> int:
    print(f"stdout {number}: ä")
    print(f"stderr {number}: ö", file=sys.stderr)
    return number


_STDOUT = "".join(f"stdout {number}: ä\n" for number in _NUMBERS)
_STDERR = "".join(f"stderr {number}: ö\n" for number in _NUMBERS)


def what_a_map_prints_arrives_in_its_elements_order(plan: Target) -> None:
    for chunk_size in (None, 1, 7):
        call = partial(kf.options(chunk_size=chunk_size).map, _speak, _NUMBERS)
        assert relayed(call) == (_STDOUT, _STDERR)


def an_imap_relays_in_order_and_its_results_are_the_same(plan: Target) -> None:
    results: list[int] = []
    assert relayed(lambda: results.extend(kf.imap(_speak, _NUMBERS))) == (_STDOUT, _STDERR)
    assert results == list(_NUMBERS)


def a_future_relays_once_in_place_or_when_its_result_is_asked_for(plan: Target) -> None:
    futures: list[kf.Future[int]] = []
    begun = relayed(lambda: futures.append(kf.future(_speak, 3)))
    asked = relayed(futures[0].result)
    assert {begun, asked} == {("", ""), ("stdout 3: ä\n", "stderr 3: ö\n")}
    assert (begun == ("", "")) == plan.can(Capability.WORKERS)
    assert relayed(futures[0].result) == ("", "")


def what_an_element_printed_before_it_raised_arrives_with_its_error(plan: Target) -> None:
    def complain(number: int) -> None:
        print(f"about to fail on {number}")
        raise ValueError(number)

    assert relayed(lambda: raised(ValueError, kf.map, complain, [1])) == ("about to fail on 1\n", "")
    options = kf.options(on_error="return", chunk_size=2)
    stdout, _ = relayed(lambda: options.map(complain, range(4)))
    assert stdout == "".join(f"about to fail on {number}\n" for number in range(4))


def output_false_drops_everything(plan: Target) -> None:
    def all_of_it(number: int) -> int:
        warnings.warn("unheard", stacklevel=1)
        logging.getLogger("kubefuture-claims").error("unheard")
        return _speak(number)

    quiet = kf.options(output=False)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert relayed(lambda: quiet.map(all_of_it, range(3))) == ("", "")
        assert relayed(lambda: quiet.future(all_of_it, 3).result()) == ("", "")
    assert caught == []
    assert "output='loud'" in str(raised(PlanError, kf.options, output="loud"))


def live_output_arrives_once_and_whole(plan: Target) -> None:
    live = kf.options(output="live")
    stdout, stderr = relayed(lambda: live.map(_speak, _NUMBERS))
    assert sorted(stdout.splitlines()) == sorted(_STDOUT.splitlines())
    assert sorted(stderr.splitlines()) == sorted(_STDERR.splitlines())
    stdout, _ = relayed(lambda: live.future(_speak, 3).result())
    assert stdout == "stdout 3: ä\n"


def programs_and_c_code_are_heard_where_that_can_be(plan: Target) -> None:
    """The sequential plan's are the caller's own."""

    def everybody(number: int) -> None:
        print(f"python {number}")
        subprocess.run(["echo", f"child {number}"], check=True)

    if plan.can(Capability.WORKERS):
        stdout, _ = relayed(lambda: kf.options(chunk_size=4).map(everybody, range(8)))
        child = "child {0}\n" if plan.can(Capability.CHILDREN) else ""
        assert stdout == "".join(("python {0}\n" + child).format(number) for number in range(8))


def an_element_that_runs_again_shows_only_the_run_that_counts(plan: Target) -> None:
    def complain(number: int) -> None:
        print(f"about to fail on {number}")
        raise ValueError(number)

    stdout, _ = relayed(lambda: raised(ValueError, kf.options(retries=2).map, complain, [1]))
    assert stdout == "about to fail on 1\n" * (1 if plan.can(Capability.WORKERS) else 3)


def what_a_future_printed_whose_result_nobody_asks_for_is_shown_too(plan: Target) -> None:
    def leave() -> None:
        forgotten = kf.future(_speak, 3)
        assert forgotten.exception() is None
        gone, until = weakref.ref(forgotten), time.monotonic() + 60
        del forgotten
        shown = cast(io.StringIO, sys.stdout)  # as `relayed` has it
        # What has ended the future may still be about to leave it, and to say that it is gone.
        while not (gone() is None and shown.getvalue()) and time.monotonic() < until:
            gc.collect()
            kf.future(abs, -1).result()

    assert relayed(leave) == ("stdout 3: ä\n", "stderr 3: ö\n")
    quiet = kf.options(output=False)
    assert relayed(lambda: (quiet.future(_speak, 3).exception(), gc.collect(), kf.future(abs, 1))) == (
        "",
        "",
    )
