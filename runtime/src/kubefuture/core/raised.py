"""Exceptions as bytes, and back: a msgpack array of the pickled exception, its repr, the traceback, and the place."""

from __future__ import annotations

import linecache
import pickle
import re
import traceback
from collections.abc import Callable
from types import CodeType
from typing import ParamSpec, TypeVar

import msgspec

from ..errors import KubefutureError, ResultError
from .given import Given
from .packing import pack_object

_P = ParamSpec("_P")
_T = TypeVar("_T")

_NO_BUGS = (KubefutureError, TimeoutError, ModuleNotFoundError)
"""What our own code raises on purpose, or unpickling in it: there is nothing to be seen in our frames."""

_OF_SEVERAL = "_kubefuture_of_several"
"""The attribute of an exception that says which of several elements raised it, until it is packed."""

_LONGEST_CHAIN = 100
"""Causes of causes that are looked through; a chain may be a circle."""

_callers: set[CodeType] = set()
"""Code of ours that calls what the user gave. An error that begins there is about the call."""

_FRAME = re.compile(r'(?P<indent> +)File "(?P<file>[^"]+)", line (?P<line>\d+)')


def calls_users(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """Marks a function of ours that calls the user's, and raises nothing itself."""
    _callers.add(function.__code__)
    return function


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Where an exception was raised, for people.

    Attributes:
        function: The function's name.
        given: Its arguments, cut to a line.
        process: The process and its host.
        missing: The module that was not found, where the exception came from that.
        what: What it was, where the caller knows only of the call that it was one of.
    """

    function: str = ""
    given: str = ""
    process: str = ""
    missing: str = ""
    what: str = ""

    def __str__(self) -> str:
        given = f"given {self.given}" if self.given else ""
        return ", ".join(part for part in (given, self.process) if part)


class _PackedException(msgspec.Struct, array_like=True):
    content: bytes
    summary: str
    text: str
    place: Place
    given: Given | None = None


class RemoteTraceback(Exception):
    """The traceback of a slot, as the cause of the exception that the user sees.

    Attributes:
        text: As Python prints it.
        place: What was called, with which arguments, and where.
    """

    __module__ = "kubefuture"  # which is what Python prints

    def __init__(self, text: str, place: Place | None = None) -> None:
        super().__init__(text, place)
        self.text = text
        self.place = place or Place()

    def __str__(self) -> str:
        return f"\n\n{self.text}"


def told_of(error: BaseException, what: str, given: str) -> None:
    """An exception was raised by one of several elements that are one call.

    Args:
        error: The exception.
        what: Which element, for people.
        given: Its arguments, cut to a line.
    """
    error.__dict__[_OF_SEVERAL] = what, given


def pack_exception(error: BaseException, place: Place | None = None, given: Given | None = None) -> bytes:
    """Packs an exception with its traceback; our own frames are left out.

    An exception that could not be unpacked again is packed as a ResultError that quotes it.

    Args:
        error: The exception.
        place: Where it was raised.
        given: What its element was given, where that is not to be unpacked here.
    """
    place = place or Place()
    of_several = error.__dict__.pop(_OF_SEVERAL, None)
    if of_several is not None:
        place, given = msgspec.structs.replace(place, what=of_several[0], given=of_several[1]), None
    text = _remote_text(error)
    summary = "".join(traceback.format_exception_only(error)).strip()
    content = _content(error)
    if missing := _missing(error):
        place = msgspec.structs.replace(place, missing=missing)
    return msgspec.msgpack.encode(_PackedException(content, summary, text, place, given))


def _content(error: BaseException) -> bytes:
    """An exception's pickle, empty where that does not bring it back."""
    try:
        content = pack_object(error)
        return content if isinstance(pickle.loads(content), BaseException) else b""
    except (Exception, SystemExit):
        return b""


def unpack_exception(payload: bytes) -> BaseException:
    """The exception, with the remote traceback as its cause; a ResultError if it cannot be rebuilt here."""
    packed = msgspec.msgpack.decode(payload, type=_PackedException)
    error: BaseException
    try:
        error = pickle.loads(packed.content) if packed.content else _quoted(packed.summary)
        if not isinstance(error, BaseException):
            error = _quoted(packed.summary)
    except (Exception, SystemExit):
        error = _quoted(packed.summary)
    place = packed.place
    if packed.given is not None:
        place = msgspec.structs.replace(place, given=str(packed.given))
    if packed.text != packed.summary or place != Place():
        error.__cause__ = RemoteTraceback(_with_source(packed.text), place)
    return error


def named(error: BaseException, what: str) -> BaseException:
    """Says in an exception's notes what it came from, where that ran, and of a missing module what to do about it."""
    place = error.__cause__.place if isinstance(error.__cause__, RemoteTraceback) else Place()
    error.add_note(f"kubefuture: {place.what or what}{f', {place}' if str(place) else ''}")
    if missing := place.missing or _missing(error):
        from .missing import note_missing  # it is a rare error

        note_missing(error, missing, elsewhere=bool(place.process))
    return error


def _missing(error: BaseException) -> str:
    """The module that an import did not find, which an exception is about or came from; empty for none."""
    found: BaseException | None = error
    for _ in range(_LONGEST_CHAIN):
        if found is None:
            break
        if isinstance(found, ModuleNotFoundError) and isinstance(found.name, str):
            return found.name
        found = found.__cause__ or (None if found.__suppress_context__ else found.__context__)
    return ""


def _with_source(text: str) -> str:
    """A traceback with the lines of code that the worker did not have, as those of a notebook's cells."""
    lines = text.splitlines()
    filled = []
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        filled.append(line)
        frame = _FRAME.match(line)
        if frame is not None and not following.startswith(f"{frame['indent']}  "):
            code = linecache.getline(frame["file"], int(frame["line"])).strip()
            filled += [f"{frame['indent']}  {code}"] if code else []
    return "\n".join(filled)


def _quoted(summary: str) -> ResultError:
    return ResultError(f"The function raised an exception that cannot be brought back as itself: {summary}")


def _remote_text(error: BaseException) -> str:
    """The traceback from the user's first frame on; all of ours where the error is a bug of our own code."""
    trace, last = error.__traceback__, error.__traceback__
    here = __name__.partition(".")[0]
    while trace is not None and trace.tb_frame.f_globals.get("__name__", "").partition(".")[0] == here:
        trace, last = trace.tb_next, trace
    of_the_call = last is not None and last.tb_frame.f_code in _callers
    if trace is None and not of_the_call and not isinstance(error, _NO_BUGS):
        trace = error.__traceback__
    return "".join(traceback.format_exception(type(error), error, trace)).rstrip()
