"""From which levels on log records are wanted: the program's own levels, taken on where its elements run.

    program: root and its loggers ── wanted ──> Function ──> take_on: slot

So an element's loggers answer `isEnabledFor` as they would in the program, and what nobody would see is not made.
"""

from __future__ import annotations

import logging
from functools import lru_cache

import msgspec

_KEY = "kubefuture"

_before: dict[str, int] = {}
"""The levels that loggers of this process had themselves, of those that have others now."""

_taken = logging.NOTSET, b""


def wanted() -> tuple[int, bytes]:
    """The root logger's level, and packed those of the loggers that have one of their own; empty for none.

    Asked for each call, and there can be hundreds of loggers. So it is kept beside what the root logger itself keeps
    of levels, and forgotten together with that whenever any level is set.
    """
    cache = getattr(logging.root, "_cache", {})
    known = cache.get(_KEY)
    if known is None:
        known = cache[_KEY] = _packed()
    return logging.root.level, known


def take_on(root: int, levels: bytes) -> None:
    """Loggers of this process have these levels from now on, and all others the ones of their own.

    Args:
        root: The root logger's.
        levels: As `wanted` packs them.
    """
    global _taken
    if logging.root.level != root:
        logging.root.setLevel(root)
    if levels != _taken[1]:
        for name, level in _before.items():
            logging.getLogger(name).setLevel(level)
        _before.clear()
    _taken = root, levels
    if levels:
        for name, level in _unpacked(levels):
            logger = logging.getLogger(name)
            if logger.level != level:
                _before.setdefault(name, logger.level)
                logger.setLevel(level)


def take_on_again() -> None:
    """The same, since modules were imported meanwhile, some of which set levels."""
    take_on(*_taken)


@lru_cache(maxsize=64)
def without(levels: bytes, packages: tuple[str, ...]) -> bytes:
    """The levels of all loggers but those of some packages."""
    others = [(name, level) for name, level in _unpacked(levels) if name.partition(".")[0] not in packages]
    return msgspec.msgpack.encode(others) if others else b""


def _packed() -> bytes:
    loggers = list(logging.root.manager.loggerDict.items())
    own = [(name, one.level) for name, one in loggers if isinstance(one, logging.Logger) and one.level]
    return msgspec.msgpack.encode(own) if own else b""


@lru_cache(maxsize=64)
def _unpacked(levels: bytes) -> list[tuple[str, int]]:
    return msgspec.msgpack.decode(levels, type=list[tuple[str, int]]) if levels else []
