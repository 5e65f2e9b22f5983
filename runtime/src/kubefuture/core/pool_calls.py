"""What a pool's calls are in a slot: its initializer first, once in each process; with more threads; several in one."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from functools import partial
from types import FunctionType, MethodType
from typing import Any

from ..errors import BrokenPoolError
from .given import line
from .raised import calls_users, told_of
from .resources import limited_threads, slot_environment
from .scalars import unpack

_begun: dict[str, dict[str, Any]] = {}
"""For each executor whose initializer has run in this process: the globals that it assigned."""

_broken: dict[str, str] = {}
"""For those whose initializer failed: what it raised."""


class Prepared:
    """A function that finds its process prepared by an executor's initializer.

    A script's own functions are copied for each element, with the globals that they use. So what the initializer
    assigned is put into each copy's globals: both are pickled together, so that they have the same.

    Args:
        executor: Names the executor.
        initializer: Called once in each process.
        initargs: Its arguments, packed.
        function: What is to be called.
    """

    def __init__(
        self,
        executor: str,
        initializer: Callable[..., object],
        initargs: bytes,
        function: Callable[..., Any],
    ) -> None:
        self._executor = executor
        self._initializer = initializer
        self._initargs = initargs
        self._function = function
        self.__name__ = getattr(function, "__name__", type(function).__name__)

    @calls_users
    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Calls the function, after the initializer.

        Raises:
            BrokenPoolError: The initializer failed, now or before.
        """
        if self._executor in _broken:
            raise BrokenPoolError(_broken[self._executor])
        own = _globals_of(self._initializer)
        assigned = _begun.get(self._executor)
        if assigned is None:
            self._begin(own)
        else:
            own.update(assigned)
        return self._function(*args, **kwargs)

    def _begin(self, own: dict[str, Any]) -> None:
        before = dict(own)
        try:
            args, _ = unpack(self._initargs)
            self._initializer(*args)
        except (Exception, SystemExit) as error:
            sentence = f"The executor's initializer failed, so it takes no more work: {error!r}"
            _broken[self._executor] = sentence
            raise BrokenPoolError(sentence) from error
        missing = object()
        _begun[self._executor] = {
            name: value for name, value in own.items() if before.get(name, missing) is not value
        }


class WithThreads:
    """A function during which numerical libraries may use so many threads.

    Args:
        threads: How many.
        function: What is to be called.
    """

    def __init__(self, threads: int, function: Callable[..., Any]) -> None:
        self._threads = threads
        self._function = function
        self.__name__ = getattr(function, "__name__", type(function).__name__)

    @calls_users
    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Calls the function. Libraries that it loads itself find the variables that they read."""
        before = dict(os.environ)
        os.environ.update(slot_environment(self._threads, {}))
        try:
            with limited_threads(self._threads):
                return self._function(*args, **kwargs)
        finally:
            for name in slot_environment(self._threads, {}):
                if name in before:
                    os.environ[name] = before[name]
                else:
                    os.environ.pop(name, None)


class Several:
    """Several elements of an executor's map in one call.

    Args:
        function: What each of them calls.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self.__name__ = getattr(function, "__name__", type(function).__name__)

    @calls_users
    def __call__(self, first: int, arguments: Iterable[tuple[Any, ...]]) -> list[Any]:
        """Calls it for one after the other.

        Args:
            first: The index of the first.
            arguments: Of each.
        """
        results: list[Any] = []
        try:
            for one in arguments:
                results.append(self._function(*one))
        except BaseException as error:
            told_of(error, f"element {first + len(results)} of {self.__name__}", line(*one))
            raise
        return results


def _globals_of(function: Any) -> dict[str, Any]:
    """The globals of a function that came as a copy; for one that was imported, nothing has to be carried over."""
    while isinstance(function, (partial, MethodType)):
        function = function.func if isinstance(function, partial) else function.__func__
    if not isinstance(function, FunctionType):
        return {}
    module = sys.modules.get(function.__module__)
    return {} if getattr(module, "__dict__", None) is function.__globals__ else function.__globals__
