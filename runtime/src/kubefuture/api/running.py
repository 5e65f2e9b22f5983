"""How an element is called: its function as a message, and running it in place for the sequential plan."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import msgspec

from ..core import rng
from ..core.blame import kind_of
from ..core.blobs import BlobFile
from ..core.elements import FunctionRunner
from ..core.in_place import run_packed
from ..core.log_levels import wanted
from ..core.packing import pack_function, unpack_result
from ..core.raised import unpack_exception
from ..core.relay import silence
from ..core.unseeded import warn_unseeded
from ..errors import PlanError, ResultError
from ..protocol.messages import Function
from .options import Output

_NAME = 80
"""Letters of a function's name at most."""


@dataclass(frozen=True)
class Failed:
    """An element's failure, in the place of its value."""

    error: BaseException


def packed_function(
    function: Callable[..., Any],
    positional: int,
    root: rng.Root | None = None,
    task_timeout: float | None = None,
    live: bool = False,
    *,
    own_seeds: bool = False,
) -> tuple[Function, tuple[BlobFile, ...]]:
    """A function as a message, with how its elements are called, and the blobs that it refers to.

    Args:
        function: What each element calls.
        positional: How many positional arguments it is given.
        root: Where all elements' random numbers come from, if they have one.
        task_timeout: Seconds that an element may run.
        live: What elements print is told while they run.
        own_seeds: Each element's payload carries its root.
    """
    if not callable(function):
        raise PlanError(f"{function!r} is {kind_of(function)}, not a function.")
    payload, shared, files = pack_function(function)
    level, levels = wanted()
    limit, blobs = task_timeout or 0.0, tuple(file.blob for file in files) if files else ()
    inner = function.func if isinstance(function, partial) else function
    name = str(getattr(inner, "__qualname__", "") or type(inner).__name__)[:_NAME]
    if root is None and not own_seeds:
        message = Function(
            0, payload, shared, limit=limit, blobs=blobs, level=level, live=live, levels=levels, name=name
        )
        return message, files
    wants = wants_rng(function, positional)
    packed = root.packed() if root is not None else b""
    message = Function(
        0, payload, shared, wants, packed, own_seeds, limit, blobs, False, level, live, levels, name
    )
    return message, files


def with_blobs(
    function: Function, files: tuple[BlobFile, ...], more: Mapping[bytes, BlobFile]
) -> tuple[Function, tuple[BlobFile, ...]]:
    """The same function, whose elements' arguments refer to more blobs."""
    known = {file.blob.digest for file in files}
    files = (*files, *(file for digest, file in more.items() if digest not in known))
    return msgspec.structs.replace(function, blobs=tuple(file.blob for file in files)), files


def wants_rng(function: Callable[..., Any], positional: int) -> bool:
    """Whether a function names a parameter `rng` that its arguments leave unbound.

    As in https://scientific-python.org/specs/spec-0007.
    """
    if type(function) is types.FunctionType and not function.__dict__:  # a signature takes 10 us
        code = function.__code__
        if "rng" not in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]:
            return False
    known = type(function) is types.BuiltinFunctionType  # whose signature is text that has to be read: 100 us
    return (_names_rng_cached if known else _names_rng)(function, positional)


def _names_rng(function: Callable[..., Any], positional: int) -> bool:
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return False
    parameter = parameters.get("rng")
    if parameter is None or parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
        return False
    if parameter.kind is parameter.POSITIONAL_ONLY:
        return False
    return parameter.kind is parameter.KEYWORD_ONLY or list(parameters).index("rng") >= positional


_names_rng_cached = lru_cache(maxsize=256)(_names_rng)


def run_in_place(
    runner: FunctionRunner,
    index: int,
    payload: bytes,
    retries: int,
    named: Callable[[int, BaseException], BaseException],
    output: Output = "ordered",
) -> Any:
    """Runs one element in this process, as a slot would.

    Returns:
        The value, or `Failed`.
    """
    with silence() if output is False else nullcontext():
        outcome, drew = run_packed(runner, index, payload, retries)
    if drew:
        warn_unseeded(runner.name)
    try:
        if not outcome.raised:
            return unpack_result(outcome.payload)
        error = unpack_exception(outcome.payload)
    except ResultError as unknown:
        error = unknown
    return Failed(named(index, error))
