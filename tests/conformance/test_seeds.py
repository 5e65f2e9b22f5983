"""Random numbers depend on the seed and the element alone: not on plan, workers or chunks (R24)."""

from __future__ import annotations

import random

import kubefuture as kf
import numpy as np
import pytest
from kubefuture.conformance.seeds import FROM_GLOBALS, FROM_RNG
from kubefuture.errors import PlanError

from tests.faults.checkpoint import reach


def draw(x, rng):
    return rng.random()


def draw_globally(x):
    return np.random.random(), random.random()


def stream(entropy, *key):
    """What NumPy itself draws first from the stream with this key."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy, spawn_key=key))).random()


def draw_much(x, rng):
    return rng.normal(size=100).sum(), np.random.normal(size=100).sum(), random.gauss(0, 1)


@pytest.mark.parametrize("workers", [1, 2, 3, 4])
def test_the_number_of_workers_changes_no_bit(pool, workers):
    with kf.plan("sequential"):
        expected = kf.map(draw_much, range(40), seed=7)
    kf.plan(pool.plan)
    kf.scale(workers)
    for chunk_size in (None, 1, 7):
        assert kf.map(draw_much, range(40), seed=7, chunk_size=chunk_size) == expected


@pytest.mark.parametrize("chunk_size", [1, 4])
def test_a_slot_that_is_killed_in_the_middle_changes_no_bit(pool, checkpoint, chunk_size, all_slots_work):
    port = checkpoint.port

    def draw_and_stop(x, rng):
        first = rng.random(), np.random.random(), random.random()
        if x == 5:
            reach(port)
        return *first, rng.random(), np.random.random(), random.random()

    def draw_straight_on(x, rng):
        first = rng.random(), np.random.random(), random.random()
        return *first, rng.random(), np.random.random(), random.random()

    results = kf.imap(draw_and_stop, range(12), seed=3, chunk_size=chunk_size)
    checkpoint.next().kill()
    checkpoint.next().go()
    with kf.plan("sequential"):
        expected = kf.map(draw_straight_on, range(12), seed=3)
    assert list(results) == expected


def test_an_element_that_runs_again_draws_the_same(plan, tmp_path):
    def fails_once(x, rng):
        drawn = rng.random(), np.random.random(), random.random()
        if not (tmp_path / str(x)).exists():
            (tmp_path / str(x)).write_text(repr(drawn))
            raise OSError("once")
        assert (tmp_path / str(x)).read_text() == repr(drawn)
        return drawn[0]

    assert kf.options(seed=42, retries=1).map(fails_once, range(4)) == FROM_RNG


def test_a_seed_sequence_is_a_seed_and_is_never_spawned_from(plan):
    sequence = np.random.SeedSequence(42)
    assert kf.map(draw, range(4), seed=sequence) == FROM_RNG == kf.map(draw, range(4), seed=sequence)
    assert sequence.n_children_spawned == 0
    child = np.random.SeedSequence(42).spawn(3)[2]
    assert kf.map(draw, range(3), seed=child) == [stream(42, 2, i) for i in range(3)]


@pytest.mark.parametrize("entropy", [2**100, [1, 2, 3], np.array([5, 6], dtype=np.uint32), [2**70, 1]])
def test_any_entropy_of_a_seed_sequence_is_taken(plan, entropy):
    sequence = np.random.SeedSequence(entropy)
    assert kf.map(draw, [None], seed=sequence) == [stream(entropy, 0)]


def test_a_list_gives_each_element_a_root_of_its_own(plan):
    seeds = [42, np.random.SeedSequence(7), 42]
    first, second, third = kf.map(draw, range(3), seed=seeds)
    assert first == third == FROM_RNG[0]
    assert second == kf.options(seed=7).future(draw, None).result()
    assert kf.map(draw_globally, range(1), seed=(42,)) == FROM_GLOBALS[:1]
    assert kf.map(draw, [], seed=[]) == []


@pytest.mark.parametrize(
    ("seed", "reason"),
    [
        (-1, "negative"), (1.5, "float"), ("42", "str"), ({}, "dict"), ([1, None], r"seed\[1\]"),
        ([1, True], r"seed\[1\]"), ([1, "2"], "str"), ([1], "1 entries.* 2 elements"),
        ([1, 2, 3], "3 entries.* 2 elements"),
    ],
)  # fmt: skip
def test_a_seed_that_is_none_is_refused_before_anything_runs(plan, seed, reason, tmp_path):
    with pytest.raises(PlanError, match=reason):
        kf.map(lambda x: (tmp_path / str(x)).touch(), [1, 2], seed=seed)
    assert list(tmp_path.iterdir()) == []


def test_a_list_that_does_not_fit_a_generator_is_refused(plan):
    with pytest.raises(PlanError, match="entries"):
        kf.map(draw, (x for x in range(3)), seed=[1, 2])
    with pytest.raises(PlanError, match="entries"):
        kf.map(draw, (x for x in range(3)), seed=[1, 2, 3, 4])


def test_a_future_takes_no_list_of_seeds(plan):
    with pytest.raises(PlanError, match="single"):
        kf.options(seed=[1]).future(draw, 1)


def test_rng_is_passed_only_where_it_is_named_and_unbound(plan):
    def bound(x, rng):
        return rng

    def with_default(x, rng=None):
        return rng.random()

    def keyword_only(x, *, rng):
        return rng.random()

    def with_many(x, **rng):
        return rng

    assert kf.map(bound, [1], ["mine"], seed=42) == ["mine"]
    assert kf.options(seed=42).future(bound, 1, rng="mine").result() == "mine"
    assert kf.map(with_default, range(4), seed=42) == FROM_RNG
    assert kf.map(keyword_only, range(4), seed=42) == FROM_RNG
    assert kf.map(with_many, [1], seed=42) == [{}]
    assert kf.map(abs, [-1], seed=42) == [1]
    assert kf.map(lambda x, rng=None: rng, [1]) == [None]
    with pytest.raises(TypeError, match="rng"):
        kf.map(draw, [1])


@pytest.mark.parametrize(
    "call",
    [
        lambda given: given(),
        lambda given: (lambda x: draw_globally(x))(given),
        lambda given, also=draw_globally: also(given),
        lambda given: __import__("random").random(),
        lambda given: getattr(given, "__self__", given) and draw_globally(0),
        eval,
    ],
    ids=["given", "in a lambda", "as a default", "imported", "by attribute", "in text"],
)
def test_however_a_function_comes_to_draw_it_is_seeded(plan, call):
    given = "__import__('random').random()" if call is eval else random.random
    first = kf.map(call, [given] * 3, seed=42)
    assert first == kf.map(call, [given] * 3, seed=42) != kf.map(call, [given] * 3, seed=43)
    assert kf.options(seed=42).future(call, given).result() == first[0]


@pytest.mark.parametrize("draw", [random.gauss, np.random.normal], ids=["random", "numpy"])
def test_a_method_of_a_global_generator_draws_from_the_elements_stream(plan, draw):
    assert kf.map(draw, [0.0] * 4, [1.0] * 4, seed=42) == kf.map(
        lambda mean, spread: draw(mean, spread), [0.0] * 4, [1.0] * 4, seed=42
    )
    with pytest.warns(UserWarning, match="drew from the global random generators without a seed"):
        assert len(set(kf.map(draw, [0.0] * 4, [1.0] * 4, chunk_size=4))) == 4


def test_nested_maps_draw_from_their_elements_stream(plan):
    def outer(x, rng):
        first = kf.map(draw, range(2), seed=True)
        second = kf.map(draw_globally, range(2), seed=True)
        return rng.random(), first, second

    for i, (own, first, second) in enumerate(kf.map(outer, range(4), seed=42)):
        assert own == FROM_RNG[i]
        assert first == [stream(42, i, 0, 0), stream(42, i, 0, 1)]
        assert len({*second}) == 2
    assert kf.map(outer, range(4), seed=42) == kf.map(outer, range(4), seed=42, chunk_size=1)


def test_numpy_and_random_do_not_give_the_same_numbers(plan):
    assert all(left != right for left, right in kf.map(draw_globally, range(20), seed=0))
