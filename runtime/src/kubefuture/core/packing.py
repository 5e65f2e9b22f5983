"""Functions, arguments, results and exceptions as bytes, and back.

What is packed:

    function    the pickled callable
    element     the pickled pair (args, kwargs or None); where there is one argument, that alone, as a result is
    result      the pickled value; the msgpack of a number, a text or bytes
"""

from __future__ import annotations

import io
import pickle
import sys
from collections.abc import Callable, Hashable, Mapping
from typing import Any, TypeVar, cast

from ..errors import ResultError, UnpicklableError
from .blame import can, find_culprit, kind_of
from .blobs import BlobFile
from .capture import fingerprint
from .captured import warn_captured
from .luggage import Packed, luggage
from .picklers import LargeApart, PlainErrors, dumps, weigh
from .references import References, is_large, load_shared, raw
from .remembered import Remembered
from .scalars import BARE, pack_scalar, unpack
from .settings import BLOB_BYTES, CAPTURED_BYTES
from .sharing import is_shared, is_sharing, shared_part

PLAIN = frozenset({int, float, bool, str, bytes, type(None), complex})
"""Types that pickle itself packs as cloudpickle does, only faster."""

MOST_BYTES = 1 << 30
"""The longest function, argument list or result that is sent at all."""

_T = TypeVar("_T")

_KEPT_FUNCTIONS = 256
_packed_functions: dict[Hashable, bytes] = {}
"""Packed functions that nothing can have changed since; others are packed anew for each call."""


def pack_function(function: Callable[..., Any]) -> tuple[bytes, bool, tuple[BlobFile, ...]]:
    """Packs a callable.

    Args:
        function: What each element calls.

    Returns:
        Its bytes, whether one copy may serve several elements (R28), and the blobs that it refers to.

    Raises:
        UnpicklableError: It cannot be packed; the message names the part that cannot.
    """
    its = luggage()
    key = fingerprint(function)
    if key is not None and its is not None:
        key = key, its.key
    if key is not None and key in _packed_functions:
        return _packed_functions[key], True, ()
    try:
        payload, files = pack_large(function if its is None else Packed(function, its))
    except Exception as error:
        if _came_from_elsewhere(error, function):
            raise
        name = getattr(function, "__qualname__", None) or repr(function)
        raise UnpicklableError(_sentence(f"The function {name}", function, error)) from None
    if len(payload) > MOST_BYTES:
        raise UnpicklableError(f"The function with what it captured {_too_long(payload)}")
    if len(payload) > CAPTURED_BYTES or files:
        own = (file.blob.size for file in files if not is_shared(file))
        if len(payload) + sum(own) > CAPTURED_BYTES:
            warn_captured(function, weigh)
    if key is not None and not files:
        if len(_packed_functions) >= _KEPT_FUNCTIONS:
            _packed_functions.clear()
        _packed_functions[key] = payload
    return payload, key is not None, files


def pack_large(value: Any, remembered: Remembered | None = None) -> tuple[bytes, tuple[BlobFile, ...]]:
    """Packs anything; large arrays, frames and bytes in it become blobs (R26).

    Large data is found on the way, so what has some is packed twice, the second time without it.

    Args:
        value: What is packed.
        remembered: Knows which arrays became blobs before, and takes note of more.
    """
    found: list[memoryview] = []
    payload: bytes = dumps(value, _collector(found))
    if not found and len(payload) <= BLOB_BYTES:
        return payload, ()
    if remembered is not None:
        return _pack_apart(value, References(remembered=remembered))
    new = [view for view in found if view.nbytes > BLOB_BYTES and shared_part(view) is None]
    return _pack_apart(value, References(new))


def pack_shared(value: _T) -> _T:
    """The same value, whose large data is in blobs and read-only.

    Raises:
        UnpicklableError: It cannot be packed; the message names the part that cannot.
    """
    try:
        payload, files = pack_large(value)
    except Exception as error:
        raise UnpicklableError(_sentence("What is to be shared", value, error)) from None
    return cast(_T, load_shared(payload, files)) if files else value


def _collector(found: list[memoryview]) -> Callable[[pickle.PickleBuffer], bool]:
    """Takes note of the large buffers of a pickle, and keeps them out of it."""

    def take(buffer: pickle.PickleBuffer) -> bool:
        view = raw(buffer)
        if view is None or not is_large(view):
            return True
        found.append(view)
        return False

    return take


def _pack_apart(value: Any, references: References) -> tuple[bytes, tuple[BlobFile, ...]]:
    file = io.BytesIO()
    LargeApart(file, references).dump(value)
    return file.getvalue(), tuple(references.files.values())


def pack_element(
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any] | None,
    index: int | None,
    shared: dict[bytes, BlobFile] | None = None,
    remembered: Remembered | None = None,
    *,
    bare: bool = False,
) -> bytes:
    """Packs one element's arguments.

    Args:
        args: Positional arguments.
        kwargs: Keyword arguments, or None.
        index: The element's index, for the error message; None for a single future.
        shared: Takes the blobs that they refer to, by digest; without it nothing is referred to.
        remembered: With it large arrays become blobs here, too.
        bare: There is one, which is packed alone.

    Raises:
        UnpicklableError: They cannot be packed; the message names which.
    """
    everything = args[0] if bare else (args, dict(kwargs) if kwargs else None)
    try:
        if not kwargs and all(map(_is_plain, args)):
            payload = _pack_plain(everything)
        elif shared is not None and (remembered is not None or is_sharing()):
            payload, files = (
                _pack_apart(everything, References(keeps=False))
                if remembered is None
                else pack_large(everything, remembered)
            )
            shared.update((file.blob.digest, file) for file in files)
        else:
            payload = dumps(everything)
    except Exception as error:
        where = "" if index is None else f" of element {index}"
        sent = (
            "Nothing was sent."
            if index is None
            else "It was not sent, and what was sent before is cancelled."
        )
        named: list[tuple[str, Any]] = [
            (f"Argument {number + 1}{where}", value) for number, value in enumerate(args)
        ]
        named += [(f"Argument {name!r}{where}", value) for name, value in (kwargs or {}).items()]
        for name, value in named:
            try:
                dumps(value)
            except Exception as cause:
                raise UnpicklableError(_sentence(name, value, cause, sent)) from None
        if _came_from_elsewhere(error, everything):
            raise
        raise UnpicklableError(f"The arguments{where} cannot be sent: {error}.") from None
    if len(payload) > MOST_BYTES:
        where = "" if index is None else f" of element {index}"
        raise UnpicklableError(f"What is passed as arguments{where} {_too_long(payload)}")
    return payload


def _came_from_elsewhere(error: Exception, value: object) -> bool:
    """Whether an error is not about what was packed, but a time limit's, for one, whose signal came meanwhile."""
    return not isinstance(error, OSError) and can(value, dumps)


def _is_plain(value: Any) -> bool:
    return type(value) in PLAIN and not (type(value) is bytes and len(value) > BLOB_BYTES and is_sharing())


def _pack_plain(value: Any) -> bytes:
    return pack_scalar(value) if type(value) in BARE else pickle.dumps(value, protocol=5)


def pack_result(value: Any) -> bytes:
    """Packs what an element returned.

    Raises:
        ResultError: It cannot be packed.
    """
    try:
        payload: bytes = _pack_plain(value) if type(value) in PLAIN else dumps(value)
    except Exception as error:
        if _came_from_elsewhere(error, value):
            raise
        culprit = find_culprit(value, weigh)
        inside = f" ({culprit})" if culprit else ""
        raise ResultError(
            f"The function returned {kind_of(value)}, which cannot be sent back{inside}: {error}. "
            "Return plain data made from it."
        ) from None
    if len(payload) > MOST_BYTES:
        raise ResultError(
            f"The function returned {len(payload) / 2**30:.1f} GiB, more than the {MOST_BYTES >> 30} GiB that one "
            "result can have. Write it to a file, and return the file's name, or return it in parts."
        )
    return payload


def pack_object(value: object) -> bytes:
    """Packs anything, as its pickle; raises whatever that raises."""
    PlainErrors(file := io.BytesIO(), protocol=5).dump(value)
    return file.getvalue()


def unpack_result(payload: bytes) -> Any:
    """The value in a packed result.

    Raises:
        ResultError: It cannot be unpacked here.
        Exception: What a signal's handler raised meanwhile.
    """
    try:
        return unpack(payload)
    except (Exception, SystemExit) as error:  # what unpickling calls must not end the thread that delivers
        if can(payload, unpack):
            raise
        raise ResultError(
            f"A result arrived but cannot be unpacked here ({type(error).__name__}: {error}). "
            "The function probably returned an object whose class cannot be imported in this program."
        ) from error


def _too_long(payload: bytes) -> str:
    return (
        f"has {len(payload) / 2**30:.1f} GiB, more than the {MOST_BYTES >> 30} GiB that can be sent at once. "
        "Read such data inside the function, from a file that the workers can see."
    )


def _sentence(name: str, value: Any, error: BaseException, sent: str = "Nothing was sent.") -> str:
    culprit = find_culprit(value, weigh)
    inside = f" because of {culprit}" if culprit else ""
    reason = str(error) or type(error).__name__
    if "recursion" in reason.lower() and sys.getrecursionlimit() < 10_000:
        reason = "it is nested too deeply"
    return (
        f"{name} ({kind_of(value)}) cannot be sent to a worker{inside}: {reason}. {sent} "
        "Make such objects inside the function, or pass what is needed to make them."
    )
