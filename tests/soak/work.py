"""Kinds of work whose results are known, each as a user would write it."""

from __future__ import annotations

import hashlib
import itertools
import os
import time
from collections.abc import Callable
from random import Random
from unittest.mock import patch

import kubefuture as kf
import numpy as np
from kubefuture.core import blobs

_SEEDS = 5
_DRAWS = 400
_names = itertools.count()


class WrongError(Exception):
    """A result that is not what it has to be."""


def draw(index: int, rng: np.random.Generator) -> tuple[int, float]:
    """One seeded element."""
    return index, float(rng.normal(size=50).mean())


def square(value: int) -> int:
    """A trivial element."""
    return value * value


def nap(value: int) -> int:
    """An element that takes a few milliseconds."""
    time.sleep(value % 5 / 1000)
    return -value


def third(value: int) -> int:
    """Fails for every third."""
    if value % 3 == 0:
        raise ValueError(value)
    return value


def digest(content: bytes) -> str:
    """An element with large arguments."""
    return hashlib.sha256(content).hexdigest()


def total(part: np.ndarray) -> float:
    """The sum of a part of an array."""
    return float(part.sum())


class Work:
    """Random work.

    Args:
        rng: Chooses it.
    """

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        with kf.plan("sequential"):
            self._expected = [kf.map(draw, range(_DRAWS), seed=seed) for seed in range(_SEEDS)]
        self._kinds: list[Callable[[], int]] = [
            self.seeded, self.trivial, self.naps, self.futures, self.left_early, self.named, self.failing, self.large,
            self.captured, self.shared,
        ]  # fmt: skip

    def some(self) -> int:
        """Does one piece of work and returns how many elements were checked.

        Raises:
            WrongError: A result is wrong.
        """
        return self._rng.choice(self._kinds)()

    def seeded(self) -> int:
        """The seed's streams are the same whatever happens."""
        seed = self._rng.randrange(_SEEDS)
        size = self._rng.choice([None, 1, 7, 100])
        return _check("seeded", kf.map(draw, range(_DRAWS), seed=seed, chunk_size=size), self._expected[seed])

    def trivial(self) -> int:
        """Many short elements."""
        count = self._rng.choice([100, 2000, 20000])
        return _check("trivial", kf.map(square, range(count)), [i * i for i in range(count)])

    def naps(self) -> int:
        """Elements of different length."""
        return _check("naps", list(kf.imap(nap, iter(range(300)))), [-i for i in range(300)])

    def futures(self) -> int:
        """Single futures, some of them cancelled."""
        futures = [kf.future(square, i) for i in range(200)]
        cancelled = {i for i in self._rng.sample(range(200), 20) if futures[i].cancel()}
        kept = [i for i in range(200) if i not in cancelled]
        return _check("futures", kf.value([futures[i] for i in kept]), [i * i for i in kept])

    def left_early(self) -> int:
        """A stream that is closed in the middle."""
        results = kf.imap(nap, range(10_000))
        taken = [next(results) for _ in range(50)]
        results.close()  # type: ignore[attr-defined]
        return _check("left early", taken, [-i for i in range(50)])

    def named(self) -> int:
        """A map of the journal, collected twice."""
        name = f"soak {os.getpid()} {next(_names)}"
        results = kf.map(square, range(1000), name=name)
        _check("attached", kf.attach(name), results)
        kf.forget(name)
        return _check("named", results, [i * i for i in range(1000)])

    def failing(self) -> int:
        """Errors in their elements' places."""
        results = kf.options(on_error="return", retries=1).map(third, range(90))
        shown = [type(value).__name__ if isinstance(value, Exception) else value for value in results]
        return _check("failing", shown, ["ValueError" if i % 3 == 0 else i for i in range(90)])

    def large(self) -> int:
        """Arguments of up to 300 kB."""
        contents = [self._rng.randbytes(self._rng.randrange(300_000)) for _ in range(40)]
        return _check("large", kf.map(digest, contents), [digest(content) for content in contents])

    def captured(self) -> int:
        """An array that is mapped, or sent as from another machine; every element writes to its own."""
        array = self._rng.randrange(100) + np.arange(self._rng.randrange(140_000, 500_000), dtype=float)

        def bump(index: int) -> float:
            array[index] += 1.0
            return float(array[: index + 1].sum())

        expected = [float(array[: index + 1].sum()) + 1.0 for index in range(40)]
        with patch.object(blobs, "this_machine", str if self._rng.random() < 0.5 else blobs.this_machine):
            return _check("captured", kf.map(bump, range(40)), expected)

    def shared(self) -> int:
        """Parts of a shared array as arguments, sometimes of a named map."""
        array = kf.share(self._rng.randrange(100) + np.arange(300_000, dtype=float))
        parts = [array[start : start + 20_000] for start in range(0, 300_000, 20_000)]
        expected = [float(part.sum()) for part in parts]
        if self._rng.random() < 0.5:
            return _check("shared", kf.map(total, parts), expected)
        name = f"soak {os.getpid()} {next(_names)}"
        kf.map(total, parts, name=name)
        found = kf.attach(name)
        kf.forget(name)
        return _check("shared and named", found, expected)


def _check(kind: str, found: list[object], expected: list[object]) -> int:
    if found != expected:
        wrong = [i for i, pair in enumerate(zip(found, expected, strict=False)) if pair[0] != pair[1]]
        raise WrongError(f"{kind}: {len(found)} results for {len(expected)} elements, wrong at {wrong[:5]}")
    return len(expected)
