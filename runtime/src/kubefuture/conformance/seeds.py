"""Random numbers depend on the seed and the element alone: not on plan, workers or chunks (R24)."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

import kubefuture as kf
from kubefuture.core.context import Element, inside
from kubefuture.core.rng import globals_kept
from kubefuture.errors import PlanError

from .claim import Target, raised

FROM_RNG = [0.9167441575549085, 0.4674907799518424, 0.07123920291270869, 0.7639328676507445]
"""`rng.random()` of elements 0 to 3 with seed 42, written down once: it may never change."""

FROM_GLOBALS = [
    (0.43490647836110086, 0.4094883007957886),
    (0.30094870288232156, 0.31579554473163984),
    (0.5436492485031046, 0.4489133924653609),
    (0.9825778802943167, 0.7523305210643751),
]
"""`numpy.random.random()` and `random.random()` of the same elements."""


def _draw(x: Any, rng: np.random.Generator) -> float:
    return float(rng.random())


def _draw_globally(x: Any) -> tuple[float, float]:
    return np.random.random(), random.random()


def _draw_much(x: int, rng: np.random.Generator) -> tuple[float, float, float]:
    return float(rng.normal(size=100).sum()), float(np.random.normal(size=100).sum()), random.gauss(0, 1)


def both_ways_of_drawing_give_the_golden_numbers(plan: Target) -> None:
    for chunk_size in (None, 1, 3, 100):
        assert kf.map(_draw, range(4), seed=42, chunk_size=chunk_size) == FROM_RNG
        assert kf.map(_draw_globally, range(4), seed=42, chunk_size=chunk_size) == FROM_GLOBALS
        assert list(kf.imap(_draw, range(4), seed=42, chunk_size=chunk_size)) == FROM_RNG


def every_bit_is_that_of_the_sequential_plan(plan: Target) -> None:
    with inside(
        Element()
    ):  # where every plan is sequential; to choose another one would end this one's workers
        expected = kf.map(_draw_much, range(40), seed=7)
    for chunk_size in (None, 1, 7):
        assert kf.map(_draw_much, range(40), seed=7, chunk_size=chunk_size) == expected


def a_future_is_element_0(plan: Target) -> None:
    assert kf.options(seed=42).future(_draw, "anything").result() == FROM_RNG[0]
    assert kf.options(seed=42).future(_draw_globally, "anything").result() == FROM_GLOBALS[0]


def a_seed_sequence_is_a_seed_and_is_never_spawned_from(plan: Target) -> None:
    sequence = np.random.SeedSequence(42)
    assert kf.map(_draw, range(4), seed=sequence) == FROM_RNG == kf.map(_draw, range(4), seed=sequence)
    assert sequence.n_children_spawned == 0


def true_is_new_entropy_for_each_call(plan: Target) -> None:
    first, second = kf.map(_draw, range(5), seed=True), kf.map(_draw, range(5), seed=True)
    assert len({*first, *second}) == 10


def a_list_gives_each_element_a_root_of_its_own(plan: Target) -> None:
    first, second, third = kf.map(_draw, range(3), seed=[42, np.random.SeedSequence(7), 42])
    assert first == third == FROM_RNG[0]
    assert second == kf.options(seed=7).future(_draw, None).result()


def a_seed_that_is_none_is_refused(plan: Target) -> None:
    wrong: tuple[Any, ...] = (-1, 1.5, "42", {}, [1, None], [1], [1, 2, 3])
    for seed in wrong:
        raised(PlanError, kf.map, abs, [1, 2], seed=seed)


def the_callers_generators_are_left_alone(plan: Target) -> None:
    with globals_kept():
        np.random.seed(1)
        random.seed(1)
        kf.map(_draw_globally, range(5), seed=42)
        kf.options(seed=42).future(_draw_globally, 0).result()
        expected = np.random.RandomState(1).random_sample(), random.Random(1).random()
        assert (np.random.random(), random.random()) == expected


def nested_maps_draw_from_their_elements_stream(plan: Target) -> None:
    def outer(x: int, rng: np.random.Generator) -> Any:
        return rng.random(), kf.map(_draw, range(2), seed=True)

    for index, (own, nested) in enumerate(kf.map(outer, range(4), seed=42)):
        assert own == FROM_RNG[index]
        assert nested == [_stream(42, index, 0, 0), _stream(42, index, 0, 1)]


def _stream(entropy: int, *key: int) -> float:
    """What NumPy itself draws first from the stream with this key."""
    return float(
        np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy, spawn_key=key))).random()
    )
