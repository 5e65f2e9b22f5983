"""Our words are those of NumPy's SeedSequence, whatever the entropy and the key."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from kubefuture.core.rng import Root, globals_kept, seed_globals
from kubefuture.core.seed_pool import pool_of, words_of_many
from kubefuture.core.seeds_ahead import SeedsAhead
from numpy.random import SeedSequence

NUMBERS = st.integers(0, 2**300)
KEYS = st.lists(st.integers(0, 2**70), max_size=5)


@given(NUMBERS | st.lists(NUMBERS, min_size=1, max_size=7), KEYS, st.integers(4, 17), st.integers(1, 40))
@example(0, [], 4, 8)
@example(2**32 - 1, [0], 4, 8)
@example(2**32, [2**32 - 1, 2**32], 4, 8)
@example(2**200, [0, 1], 4, 16)
def test_R24_the_words_are_those_of_numpys_seed_sequence(entropy, key, size, count):
    expected = SeedSequence(entropy, spawn_key=key, pool_size=size).generate_state(count)
    digits = str(entropy) if isinstance(entropy, int) else tuple(map(str, entropy))
    assert pool_of(digits, size).spawned(*key).words(count) == expected.tolist()


@given(
    NUMBERS,
    KEYS,
    st.integers(0, 2**32 - 9),
    st.lists(st.integers(0, 2**32 - 1), max_size=2),
    st.integers(4, 9),
)
def test_R24_the_words_of_many_elements_are_those_of_each(entropy, key, index, more, size):
    pool = pool_of(str(entropy), size).spawned(*key)
    indices = np.arange(index, index + 9, dtype=np.uint32)
    expected = [pool.spawned(int(each), *more).words(16) for each in indices]
    assert words_of_many(pool, indices, tuple(more), 16).tolist() == expected


ORDERS = [
    range(200),
    [*range(70), *range(100, 180), 5, 6, 7, 8, 9, 10, 3, 3, 4],
    range(2**32 - 90, 2**32 + 5),
    [0] * 9,
]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("root", [Root("1"), Root(["7", "8"], (3, 2**40)), Root("9", (), 5)])
def test_R24_elements_are_seeded_alike_in_whatever_order_they_run(order, root):
    def drawn(seed):
        found = []
        for index in order:
            seed(root.child(index))
            found.append((np.random.random(), random.random()))
        return found

    with globals_kept():
        assert drawn(SeedsAhead().seed) == drawn(seed_globals)


@pytest.mark.parametrize("other", [Root("2"), Root("1", (1,)), Root("1", (), 5)])
def test_R24_elements_of_another_call_in_between_have_their_own_seeds(other):
    seeds, found = SeedsAhead(), []
    with globals_kept():
        for index in range(40):
            for root in (Root("1"), other) if index % 10 == 9 else (Root("1"),):
                seeds.seed(root.child(index))
                found.append(random.random())
                seed_globals(root.child(index))
                assert found[-1] == random.random()


@given(NUMBERS, KEYS, KEYS)
def test_R24_a_key_can_be_added_part_by_part(entropy, key, more):
    pool = pool_of(str(entropy), 4)
    assert pool.spawned(*key).spawned(*more) == pool.spawned(*key, *more)
