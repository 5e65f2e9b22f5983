"""Checks the claims on the present plan, and tells people: one line a subject, then what failed and why."""

from __future__ import annotations

import linecache
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ..api.info import n_workers
from ..api.plan import current_plan, plan
from .claim import SUBJECTS, Claim, Target, claims_of


class Failed(NamedTuple):
    """A claim that does not hold."""

    subject: str
    claim: str
    reason: str


def target() -> Target:
    """The present plan, as claims see it."""
    chosen = current_plan()
    return Target(chosen.kind, n_workers(), chosen.capabilities)


def check(subjects: Sequence[str] = SUBJECTS, say: Callable[[str], object] = print) -> list[Failed]:
    """Checks the claims of some subjects.

    Args:
        subjects: Which.
        say: Takes each line.

    Returns:
        Those that do not hold.
    """
    if not __debug__:
        raise RuntimeError("The claims are assertions, which `python -O` leaves out.")
    here, chosen = target(), current_plan()
    width = max(map(len, SUBJECTS))
    failed: list[Failed] = []
    count = 0
    started = time.monotonic()
    for subject in subjects:
        began = time.monotonic()
        claims = claims_of(subject)
        wrong = []
        for name, claim in claims.items():
            reason = _why_not(claim, here)
            if reason:
                wrong.append(Failed(subject, name.replace("_", " "), reason))
            plan(chosen)  # whatever it left behind
        count += len(claims)
        failed += wrong
        result = f"{len(claims) - len(wrong)} of {len(claims)} hold"
        say(f"  {subject:<{width}}  {result:<14}  {time.monotonic() - began:5.1f} s")
        for one in wrong:
            say(f"    not so: {one.claim}")
            say(f"      {one.reason}")
    say(f"{count - len(failed)} of {count} claims hold on {chosen}, in {time.monotonic() - started:.0f} s.")
    return failed


def _why_not(claim: Claim, here: Target) -> str:
    """Why a claim does not hold; empty if it does."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            claim(here)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return _reason(error)
    return ""


def _reason(error: BaseException) -> str:
    """The error on one line, with the line of the claim that it comes from."""
    said = " ".join(str(error).split()) or "not so"
    own = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if __package__.replace(".", "/") in frame.filename
    ]
    if not own:
        return f"{type(error).__name__}: {said}"
    last = own[-1]
    line = linecache.getline(last.filename, last.lineno or 0).strip()
    kind = "" if isinstance(error, AssertionError) else f"{type(error).__name__}: "
    return f"{kind}{said[:300]} (line {last.lineno}: {line})"
