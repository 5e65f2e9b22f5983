"""The words that `numpy.random.SeedSequence` generates, for a third of its time.

Its pool takes in the entropy and then each part of the spawn key, one after the other: so what a call's elements have
in common is mixed once. NumPy promises that the algorithm stays as it is; M. E. O'Neill's `seed_seq_fe`
(https://www.pcg-random.org/posts/developing-a-seed_seq-alternative.html) with NumPy's padding and constants.
"""

from __future__ import annotations

from functools import cache, lru_cache
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_WORD = 0xFFFFFFFF
_INIT_A, _MULT_A = 0x43B0D7E5, 0x931E8875
_INIT_B, _MULT_B = 0x8B51F9DD, 0x58F38DED
_MIX_LEFT, _MIX_RIGHT = 0xCA01F9DD, 0x4973F715


class Pool(NamedTuple):
    """What entropy and spawn key have been mixed to.

    Attributes:
        values: Words of 32 bits.
        constant: Of the next hash.
    """

    values: tuple[int, ...]
    constant: int

    def spawned(self, *key: int) -> Pool:
        """The pool of the sequence further down, as `SeedSequence(entropy, spawn_key=(*before, *key))` has it."""
        values, constant = self
        for part in key:
            for word in (part,) if part <= _WORD else _words(part):
                mixed = []
                for value in values:  # _hash and _mix, without the calls
                    hashed = word ^ constant
                    constant = constant * _MULT_A & _WORD
                    hashed = hashed * constant & _WORD
                    hashed ^= hashed >> 16
                    value = (_MIX_LEFT * value - _MIX_RIGHT * hashed) & _WORD
                    mixed.append(value ^ value >> 16)
                values = tuple(mixed)
        return Pool(values, constant)

    def words(self, count: int) -> list[int]:
        """The first words that `generate_state(count)` gives."""
        values = self.values * (count // len(self.values) + 1)
        return [
            (word := (value ^ before) * after & _WORD) ^ word >> 16
            for value, (before, after) in zip(values, _constants(count), strict=False)
        ]


def words_of_many(
    pool: Pool, indices: npt.NDArray[np.uint32], more: tuple[int, ...], count: int
) -> npt.NDArray[np.uint32]:
    """The words of many sequences that differ in one part of their key only, a row for each.

    Args:
        pool: What they have in common before it.
        indices: That part of the key.
        more: What follows it, in all of them.
        count: How many words each.

    Returns:
        For `index` what `pool.spawned(index, *more).words(count)` gives; of shape (indices, count).
    """
    import numpy as np

    uint32 = np.uint32
    values, constant = [np.full(len(indices), value, uint32) for value in pool.values], pool.constant
    for part in (indices, *(np.full(len(indices), part, uint32) for part in more)):
        mixed = []
        for value in values:
            hashed = part ^ uint32(constant)
            constant = constant * _MULT_A & _WORD
            hashed = hashed * uint32(constant)  # arrays wrap around by themselves
            hashed ^= hashed >> uint32(16)
            value = uint32(_MIX_LEFT) * value - uint32(_MIX_RIGHT) * hashed
            mixed.append(value ^ value >> uint32(16))
        values = mixed
    words = np.empty((len(indices), count), uint32)
    for index, (before, after) in enumerate(_constants(count)):
        column = (values[index % len(values)] ^ uint32(before)) * uint32(after)
        words[:, index] = column ^ column >> uint32(16)
    return words


@lru_cache(maxsize=64)
def pool_of(entropy: str | tuple[str, ...], size: int, key: tuple[int, ...] = ()) -> Pool:
    """The pool of `SeedSequence(entropy, spawn_key=key, pool_size=size)`, to which more of a key may be added.

    Args:
        entropy: The digits of one integer or of several.
        size: Words of the pool.
        key: What many sequences have in common.
    """
    if key:
        return pool_of(entropy, size).spawned(*key)
    numbers = (entropy,) if isinstance(entropy, str) else entropy
    content = [word for number in numbers for word in _words(int(number))]
    content += [0] * (size - len(content))
    constant = _INIT_A
    pool = []
    for word in islice(content, size):
        hashed, constant = _hash(word, constant)
        pool.append(hashed)
    for source in range(size):
        for target in range(size):
            if source != target:
                hashed, constant = _hash(pool[source], constant)
                pool[target] = _mix(pool[target], hashed)
    return Pool(tuple(pool), constant).spawned(*content[size:])


def _hash(word: int, constant: int) -> tuple[int, int]:
    word ^= constant
    constant = constant * _MULT_A & _WORD
    word = word * constant & _WORD
    return word ^ word >> 16, constant


def _mix(value: int, hashed: int) -> int:
    value = (_MIX_LEFT * value - _MIX_RIGHT * hashed) & _WORD
    return value ^ value >> 16


@cache
def _constants(count: int) -> list[tuple[int, int]]:
    """For each generated word the constants before and after it."""
    pairs = []
    constant = _INIT_B
    for _ in range(count):
        after = constant * _MULT_B & _WORD
        pairs.append((constant, after))
        constant = after
    return pairs


def _words(number: int) -> list[int]:
    words = [number & _WORD]
    while number := number >> 32:
        words.append(number & _WORD)
    return words
