"""The seeds of the global generators for one element after the other, made for many at once.

An element's words alone are a third of the time that seeding takes; NumPy makes those of 64 in the time of five.
"""

from __future__ import annotations

from .rng import NUMPY_WORDS, PYTHON_WORDS, Root, seed_globals
from .seed_pool import words_of_many
from .twisters import seed_numpy, seed_python

_NUMPY, _PYTHON = 4 * NUMPY_WORDS, 4 * PYTHON_WORDS
_MANY = 64
_RUN = 4
"""So many elements in a row are reason enough to expect more."""


class SeedsAhead:
    """Seeds `numpy.random` and `random` for the elements of one call, in any order."""

    def __init__(self) -> None:
        self._parent: tuple[object, ...] = ()
        self._next = self._run = 0
        self._start = self._stop = 0
        self._numpy = self._python = b""

    def seed(self, root: Root) -> None:
        """The same as `seed_globals`, sooner.

        Args:
            root: The element's; its key ends with the element's index.
        """
        index, parent = root.key[-1], (root.entropy, root.key[:-1], root.pool_size)
        if index != self._next or parent != self._parent:
            self._parent, self._run, self._start, self._stop = parent, 0, 0, 0
        self._run += 1
        self._next = index + 1
        if not self._start <= index < self._stop:
            if self._run <= _RUN or index + _MANY > 1 << 32:
                seed_globals(root)
                return
            self._make(root, index)
        row = index - self._start
        seed_numpy(self._numpy[row * _NUMPY : (row + 1) * _NUMPY])
        seed_python(self._python[row * _PYTHON : (row + 1) * _PYTHON])

    def _make(self, root: Root, index: int) -> None:
        import numpy as np

        pool = root.parents_pool()
        indices = np.arange(index, index + _MANY, dtype=np.uint32)
        self._numpy = words_of_many(pool, indices, (), NUMPY_WORDS).astype("<u4").tobytes()
        self._python = words_of_many(pool, indices, (1,), PYTHON_WORDS).astype("<u4").tobytes()
        self._start, self._stop = index, index + _MANY
