"""Our words are those of NumPy's SeedSequence, whatever the entropy and the key."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st
from kubefuture.core.seed_pool import pool_of
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


@given(NUMBERS, KEYS, KEYS)
def test_R24_a_key_can_be_added_part_by_part(entropy, key, more):
    pool = pool_of(str(entropy), 4)
    assert pool.spawned(*key).spawned(*more) == pool.spawned(*key, *more)
