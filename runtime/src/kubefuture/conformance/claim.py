"""What a claim is, and where they all are."""

from __future__ import annotations

import contextlib
import inspect
import io
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from ..backends.capabilities import Capability

SUBJECTS = ("values", "maps", "futures", "errors", "output", "records", "seeds", "nesting", "capabilities")
"""The files beside this one that hold claims."""


@dataclass(frozen=True)
class Target:
    """The plan that claims are checked on. It is the present one.

    Attributes:
        kind: As in `kf.plan`.
        workers: How many elements run at the same time.
        capabilities: What it can do beyond what all can.
    """

    kind: str
    workers: int
    capabilities: frozenset[Capability]

    def can(self, capability: Capability) -> bool:
        """Whether it has a capability."""
        return capability in self.capabilities


Claim = Callable[[Target], None]


def claims_of(subject: str) -> dict[str, Claim]:
    """The claims of one subject, by name, in the order of its file."""
    module = import_module(f"{__package__}.{subject}")
    found = inspect.getmembers(module, inspect.isfunction)
    own = [(name, function) for name, function in found if function.__module__ == module.__name__]
    own.sort(key=lambda pair: pair[1].__code__.co_firstlineno)
    return {name: function for name, function in own if not name.startswith("_")}


def raised(kind: type[BaseException], function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """The error of this kind that a call raises; it is an AssertionError if it raises none."""
    try:
        function(*args, **kwargs)
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__} was raised")


def relayed(call: Callable[[], object]) -> tuple[str, str]:
    """What a call gives out in this program: stdout and stderr."""
    with (
        contextlib.redirect_stdout(io.StringIO()) as stdout,
        contextlib.redirect_stderr(io.StringIO()) as stderr,
    ):
        call()
    return stdout.getvalue(), stderr.getvalue()
