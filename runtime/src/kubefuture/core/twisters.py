"""Sets the global generators, as `numpy.random.seed` and `random.seed` would, in a third of the time.

Both are the same Mersenne Twister, which an array of words begins in the same way. NumPy looks at that array with ten
functions first, which a processor that has done other things meanwhile must all fetch. Python takes the words as an
integer. So a spare generator of Python's is begun with NumPy's words, and its state is copied:

    words ──> spare ── 624 words of state ──> numpy.random

That is tried against NumPy's own way first, once in each process. Where it is not the same, NumPy's own way is taken.
"""

from __future__ import annotations

import _random
import ctypes
import random
import struct
from collections.abc import Callable
from typing import Any

_WORDS = 624
_KEY = 4 * _WORDS
_POSITION = 4
"""Bytes: Python keeps the position before the words, NumPy after them."""

_NO_WORD = bytes(4)
_GAUSS = struct.Struct("@id")
"""Whether a normal number is left over, and which: NumPy draws two at a time."""

_begin = _random.Random.seed


class _Copier:
    """Copies the state of a spare generator to NumPy's.

    Args:
        owner: NumPy's global generator.
        bits: Its present bit generator, an MT19937.
        gauss: Where the owner keeps the normal number that is left over.
    """

    def __init__(self, owner: Any, bits: Any, gauss: int) -> None:
        self._alive = owner, bits
        self._spare = _random.Random()
        address = bits.ctypes.state_address
        self._source = _memory(id(self._spare) + object.__basicsize__ + _POSITION, _KEY)
        self._key = _memory(address, _KEY)
        self._position = _memory(address + _KEY, _POSITION).cast("i")
        self._gauss = _memory(id(owner) + gauss, _GAUSS.size)

    def seed(self, words: bytes) -> None:
        """Begins NumPy's generator with words, the last of which is not 0: an integer would not have it."""
        _begin(self._spare, int.from_bytes(words, "little"))
        self._key[:] = self._source
        self._position[0] = _WORDS
        self._gauss[:] = _NOTHING_LEFT


_NOTHING_LEFT = bytes(_GAUSS.size)

_present: Callable[[], Any] | None = None
_bits: Any = None
_copier: _Copier | None = None
"""For the bit generator above; None where it cannot be set so."""


def seed_numpy(words: bytes) -> None:
    """Seeds `numpy.random`.

    Args:
        words: Of 32 bits, the lower bytes first; at least two, since NumPy takes one for something else.
    """
    global _bits, _copier, _present
    if _present is None:
        import numpy as np

        _present = np.random.get_bit_generator  # type: ignore[attr-defined]
    bits = _present()
    if bits is not _bits:
        _bits, _copier = bits, _tried(bits)
    if _copier is None or words.endswith(_NO_WORD):
        _seed_numpy_itself(words)
    else:
        _copier.seed(words)


def seed_python(words: bytes) -> None:
    """Seeds `random`; see `seed_numpy`."""
    number = int.from_bytes(words, "little")
    generator: Any = getattr(random.random, "__self__", None)
    if type(generator) is not random.Random:
        random.seed(number)
        return
    _begin(generator, number)  # what its own method does, after it has looked what it was given
    vars(generator)["gauss_next"] = None


def _seed_numpy_itself(words: bytes) -> None:
    import numpy as np

    np.random.seed(np.frombuffer(words, "<u4").astype(np.uint32))


def _tried(bits: Any) -> _Copier | None:
    """A copier that was seen to do the same as NumPy."""
    import numpy as np

    owner = getattr(np.random.random, "__self__", None)
    if type(bits) is not np.random.MT19937 or type(owner) is not np.random.RandomState:
        return None
    if _random.Random.__basicsize__ < object.__basicsize__ + _POSITION + _KEY:
        return None
    before, words = np.random.get_state(), bytes(range(1, 33))
    try:
        _seed_numpy_itself(words)
        wanted = _state()
        np.random.standard_normal()
        gauss = _gauss_in(owner)
        if gauss is None:
            return None
        copier = _Copier(owner, bits, gauss)
        copier.seed(words)
        return copier if _state() == wanted else None
    finally:
        np.random.set_state(before)


def _gauss_in(owner: Any) -> int | None:
    """Where NumPy's generator, which has just drawn a normal number, keeps the one that is left over."""
    size = type(owner).__basicsize__ - object.__basicsize__
    place = ctypes.string_at(id(owner) + object.__basicsize__, size).find(_GAUSS.pack(*_state()[3:]))
    return None if place < 0 else object.__basicsize__ + place


def _state() -> list[Any]:
    import numpy as np

    name, key, *rest = np.random.get_state(legacy=True)
    return [name, np.asarray(key).tolist(), *rest]


def _memory(address: int, size: int) -> memoryview:
    return memoryview((ctypes.c_char * size).from_address(address)).cast("B")
