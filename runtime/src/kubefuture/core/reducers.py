"""How some of Python's own objects are packed that pickle refuses, or takes for something to import.

A function of the script itself with a cache is one: pickle means it by its name, which no worker knows. Another is
`random.gauss` or `numpy.random.normal`, methods of the global generators: pickle would send a copy of the generator
with each, which draws the same everywhere and knows of no seed.
"""

from __future__ import annotations

import functools
import random
import sys
import weakref
from collections.abc import Callable
from typing import Any

from .capture import is_by_reference

Reducer = Callable[[Any], Any]


def _cached(wrapper: Any) -> Any:
    """A function with a cache: its copy begins with an empty one."""
    if is_by_reference(wrapper):
        return wrapper.__qualname__
    facts = wrapper.cache_parameters()
    return _with_cache, (wrapper.__wrapped__, facts["maxsize"], facts["typed"]), vars(wrapper)


def _with_cache(function: Callable[..., Any], maxsize: int | None, typed: bool) -> Any:
    return functools.lru_cache(maxsize, typed)(function)


def _cached_property(value: Any) -> Any:
    """Up to Python 3.11 it has a lock."""
    return _with_name, (value.func, value.attrname)


def _with_name(function: Callable[[Any], Any], name: str | None) -> Any:
    made = functools.cached_property(function)
    made.attrname = name
    return made


def _weak(value: Any) -> Any:
    return type(value), (dict(value),)


def _global_or_copied(own: Callable[[], Any]) -> Reducer:
    """A global generator is the one that is global where it arrives; any other of its kind is copied."""
    return lambda value: (own, ()) if value is own() else value.__reduce__()


def _own_random() -> Any:
    return random.random.__self__  # type: ignore[attr-defined]


def _own_numpy_random() -> Any:
    from numpy.random import random_sample

    return random_sample.__self__  # type: ignore[attr-defined]


def learn_numpy() -> None:
    """Knows NumPy's generators from now on, if it is loaded, which this does not do."""
    module = sys.modules.get("numpy.random.mtrand")
    if module is not None and (kind := getattr(module, "RandomState", None)) is not None:
        REDUCERS[kind] = _global_or_copied(_own_numpy_random)


_CACHED = type(functools.lru_cache(abs))

REDUCERS: dict[type, Reducer] = {
    _CACHED: _cached,
    functools.cached_property: _cached_property,
    random.Random: _global_or_copied(_own_random),
    weakref.WeakKeyDictionary: _weak,
    weakref.WeakValueDictionary: _weak,
}
"""By the object's type, as in copyreg."""
