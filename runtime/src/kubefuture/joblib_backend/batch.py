"""What a slot is given to call: some of the calls that joblib was given."""

from __future__ import annotations

import reprlib
from collections.abc import Callable
from typing import Any

from ..core.packing import pack_element, pack_function
from ..errors import UnpicklableError

_SHORT = reprlib.Repr()
_SHORT.maxother = _SHORT.maxstring = 40


class Batch:
    """Some calls, one after the other.

    Args:
        calls: A `joblib.parallel.BatchedCalls`.
    """

    def __init__(self, calls: Any) -> None:
        self._calls = calls

    @property
    def name(self) -> str:
        """The first function's."""
        function: Callable[..., Any] = self._calls.items[0][0]
        while not hasattr(function, "__name__") and hasattr(
            function, "function"
        ):  # scikit-learn wraps its own
            function = function.function
        return getattr(function, "__name__", type(function).__name__)

    def named(self, error: UnpicklableError) -> UnpicklableError:
        """What the user's own function or argument is that cannot be sent, where the whole batch cannot."""
        try:
            for function, args, kwargs in self._calls.items:
                pack_function(function)
                pack_element(args, kwargs, None)
        except UnpicklableError as its:
            return its
        return error

    def __call__(self) -> list[Any]:
        """Calls them. Parallel calls that they make with joblib run in place."""
        return self._calls()  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        _, args, kwargs = self._calls.items[0]
        given = [_SHORT.repr(arg) for arg in args]
        given += [f"{name}={_SHORT.repr(arg)}" for name, arg in kwargs.items()]
        more = len(self._calls.items) - 1
        return f"{self.name}({', '.join(given)})" + (f" and {more} more" if more else "")
