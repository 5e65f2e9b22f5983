"""Warns of a function that captured much data, and names it: it may be more than anybody meant to send.

What the user passes as arguments is not looked at: that it is sent is plain to see.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from typing import Any, NamedTuple
from weakref import WeakSet

from .blame import kind_of, parts_of
from .module_path import is_installed_module
from .settings import CAPTURED_BYTES
from .warn import warn_user

_LISTED = 5
_WORTH_BYTES = 1 << 20
"""Smaller things are not listed."""

_MOST = 0.8
"""A part that has so much of the whole is named in its place."""

_DEPTH = 8
_PARTS = 100


class Size(NamedTuple):
    """What something weighs on its way to the workers, in bytes.

    Attributes:
        apart: Arrays, frames and bytes, which travel as blobs.
        within: All else, which is unpacked for each element.
    """

    apart: int
    within: int

    @property
    def whole(self) -> int:
        """Both together."""
        return self.apart + self.within


Weigh = Callable[[Any], Size]

_told: WeakSet[types.CodeType] = WeakSet()
"""The code of functions whose captured data was told already."""


def warn_captured(function: Callable[..., Any], weigh: Weigh) -> None:
    """Warns, once for each function, if it captured more than 10 MiB; at the line of the user's that called us.

    Args:
        function: A function that may have.
        weigh: Tells what an object weighs; it can be pickled.
    """
    code = _code(function)
    if code is not None and code in _told:
        return
    size = weigh(function)
    if size.whole <= CAPTURED_BYTES:
        return
    if code is not None:
        _told.add(code)
    found = sorted(_largest(function, weigh), key=lambda pair: -pair[1].whole)[:_LISTED]
    lines = [f"  {name}, {text_of(part.whole)}{_slow(part)})" for name, part in found]
    advice = [
        "What several calls use is copied only once if you share it before them: data = kf.share(data)."
        if size.apart > CAPTURED_BYTES
        else "",
        "What is unpacked for each element takes time: make an array of it, or read it inside the function."
        if size.within > CAPTURED_BYTES
        else "",
    ]
    name = getattr(function, "__name__", type(function).__name__)
    warn_user(
        "\n".join(
            [
                f"{name} captured {text_of(size.whole)}, which is copied for each call, and sent to each worker once:",
                *lines,
                *filter(None, advice),
            ]
        )
    )


def text_of(size: int) -> str:
    """A number of bytes for people."""
    return f"{size / 2**30:.1f} GiB" if size >= 1 << 30 else f"{size / 2**20:.0f} MiB"


def _slow(size: Size) -> str:
    return ", unpacked for each element" if size.within > CAPTURED_BYTES else ""


def _code(function: Any) -> types.CodeType | None:
    """What stays the same when a function is made anew, as a lambda in a loop is."""
    while isinstance(function, partial):
        function = function.func
    if not isinstance(function, (types.FunctionType, types.MethodType)):
        function = type(function).__call__
    code = getattr(function, "__code__", None)
    return code if isinstance(code, types.CodeType) else None


def _largest(function: Any, weigh: Weigh) -> Iterator[tuple[str, Size]]:
    """What a function captured and is worth a line, each with its name and type, and the parenthesis left open."""
    for name, part in parts_of(function):
        size = _weighed(part, weigh)
        if size.whole < _WORTH_BYTES:
            continue
        path = [name]
        for _ in range(_DEPTH):
            if not _is_looked_into(part):
                break
            inner = list(islice(parts_of(part), _PARTS + 1))
            if len(inner) > _PARTS:  # none of them is most of it, and to weigh them all would take long
                break
            weighed = [(name, part, _weighed(part, weigh)) for name, part in inner]
            heavy = max(weighed, key=lambda one: one[2].whole, default=None)
            if heavy is None or heavy[2].whole < _MOST * size.whole:
                break
            name, part, size = heavy
            path.append(name)
        yield f"{' → '.join(path)} ({kind_of(part)}", size


def _weighed(value: Any, weigh: Weigh) -> Size:
    try:
        return weigh(value)
    except Exception:  # a part alone may be what cannot be pickled, as what an object leaves out of its state
        return Size(0, 0)


def _is_looked_into(value: Any) -> bool:
    """Whether people know the parts of an object: it is a function, a container, or of a class of their own."""
    kind = type(value)
    if kind in (dict, list, tuple, types.FunctionType, types.MethodType, partial):
        return True
    return not is_installed_module(kind.__module__)
