"""Random numbers that depend on the seed and the element alone (R24).

Element i of a map draws from `SeedSequence(entropy, spawn_key=(*key, i))`, whatever the plan, the
number of workers and the chunk: NumPy's parallel streams
(https://numpy.org/doc/stable/reference/random/parallel.html).
"""

from __future__ import annotations

import operator
import random
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import PlanError
from .context import current_element
from .seed_pool import Pool, pool_of
from .twisters import seed_numpy, seed_python

if TYPE_CHECKING:
    import numpy as np

Seed = Any
"""What `seed=` takes: None, True, an int, a SeedSequence, or a list of ints and SeedSequences."""


NUMPY_WORDS, PYTHON_WORDS = 8, 16
"""Of 32 bits, to seed the global generators with."""

_NUMPY, _PYTHON = struct.Struct(f"<{NUMPY_WORDS}I"), struct.Struct(f"<{PYTHON_WORDS}I")


class Root(msgspec.Struct, frozen=True, array_like=True):
    """Where a call's or an element's streams come from.

    Attributes:
        entropy: The digits of one integer or of several, as SeedSequence takes them: of any size.
        key: The spawn key, without the element's index.
        pool_size: As in SeedSequence, 4 by default.
    """

    entropy: str | list[str]
    key: tuple[int, ...] = ()
    pool_size: int = 4

    def child(self, *key: int) -> Root:
        """The root further down, for element or nested call `key`."""
        return Root(self.entropy, (*self.key, *key), self.pool_size)

    def sequence(self) -> np.random.SeedSequence:
        """The NumPy object."""
        from numpy.random import SeedSequence

        entropy = int(self.entropy) if isinstance(self.entropy, str) else [int(word) for word in self.entropy]
        return SeedSequence(entropy, spawn_key=self.key, pool_size=self.pool_size)

    def parents_pool(self) -> Pool:
        """What it has in common with the other elements of its call: all but the last part of its key is mixed in."""
        entropy = self.entropy if isinstance(self.entropy, str) else tuple(self.entropy)
        return pool_of(entropy, self.pool_size, self.key[:-1])

    def packed(self) -> bytes:
        """As bytes, for a message."""
        return msgspec.msgpack.encode(self)


def unpack_root(content: bytes) -> Root:
    """The reverse of `Root.packed`."""
    return msgspec.msgpack.decode(content, type=Root)


def root_of(seed: Seed) -> Root | None:
    """The root that a single seed means.

    Args:
        seed: None, False, True (fresh entropy, or the running element's own stream inside a seeded
            element), an integer of at least 0, or a SeedSequence, which is read and never spawned from.

    Raises:
        PlanError: It is none of these.
    """
    element = current_element()
    ordinal = next(element.calls) if element is not None else 0
    if seed is None or seed is False:
        return None
    from numpy.random import SeedSequence

    if seed is True:
        if element is not None and element.root is not None:
            return element.root.child(ordinal)
        return Root(str(SeedSequence().entropy))
    if isinstance(seed, SeedSequence):
        entropy: Any = seed.entropy
        packed = str(entropy) if isinstance(entropy, int) else [str(int(word)) for word in entropy]
        return Root(packed, tuple(int(part) for part in seed.spawn_key), seed.pool_size)
    try:
        number = operator.index(seed)
    except TypeError:
        raise PlanError(
            f"seed={seed!r} is of type {type(seed).__name__}; it can be True, an integer, a numpy SeedSequence, "
            "or a list with one of these for each element."
        ) from None
    if number < 0:
        raise PlanError(f"seed={number} is negative; a seed is an integer of at least 0.")
    return Root(str(number))


def is_list(seed: Seed) -> bool:
    """Whether each element is given a seed of its own."""
    return isinstance(seed, Sequence) and not isinstance(seed, (str, bytes))


def roots_of(seeds: Sequence[Seed]) -> list[Root]:
    """The roots that a list of seeds means, one an element.

    Raises:
        PlanError: One of them is no seed.
    """
    roots = []
    for index, seed in enumerate(seeds):
        if seed is None or isinstance(seed, bool):
            raise PlanError(
                f"seed[{index}] is {seed!r}; in a list each seed is an integer or a numpy SeedSequence."
            )
        root = root_of(seed)
        assert root is not None
        roots.append(root)
    return roots


def generator(root: Root) -> np.random.Generator:
    """The element's own generator, passed as `rng`."""
    from numpy.random import PCG64, Generator

    return Generator(PCG64(root.sequence()))


def seed_globals(root: Root) -> None:
    """Seeds `numpy.random` and `random` for an element; two states, since one would give both the same numbers."""
    pool = root.parents_pool().spawned(*root.key[-1:])
    seed_numpy(_NUMPY.pack(*pool.words(NUMPY_WORDS)))
    seed_python(_PYTHON.pack(*pool.spawned(1).words(PYTHON_WORDS)))


@contextmanager
def globals_kept() -> Iterator[None]:
    """Leaves the caller's global generators as they were, for the sequential plan."""
    import numpy as np

    numpy_state, python_state = np.random.get_state(), random.getstate()
    try:
        yield
    finally:
        np.random.set_state(numpy_state)
        random.setstate(python_state)
