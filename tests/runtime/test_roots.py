"""Roots of random streams (R24), compared with what NumPy itself makes of them."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kubefuture.core.context import Element, inside
from kubefuture.core.rng import generator, globals_kept, root_of, roots_of, seed_globals, unpack_root
from kubefuture.errors import PlanError

ENTROPIES = st.one_of(
    st.integers(0, 2**200), st.lists(st.integers(0, 2**80), min_size=1, max_size=5), st.integers(0, 10)
)
KEYS = st.lists(st.integers(0, 2**32 - 1), max_size=3)


@settings(derandomize=True, deadline=None)
@given(ENTROPIES, KEYS, st.sampled_from([4, 8]))
def test_a_root_is_the_seed_sequence_that_it_came_from(entropy, key, pool_size):
    sequence = np.random.SeedSequence(entropy, spawn_key=tuple(key), pool_size=pool_size)
    root = root_of(sequence)
    again = unpack_root(root.packed())
    assert again == root
    np.testing.assert_array_equal(again.sequence().generate_state(8), sequence.generate_state(8))


@settings(derandomize=True, deadline=None)
@given(ENTROPIES, st.integers(0, 2**31))
def test_an_elements_stream_is_a_child_by_its_index(entropy, index):
    child = root_of(np.random.SeedSequence(entropy)).child(index)
    expected = np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy, spawn_key=(index,))))
    assert generator(child).bit_generator.state == expected.bit_generator.state


def test_the_globals_are_seeded_from_two_different_states():
    root = root_of(42).child(5)
    seed_globals(root)
    ours = np.random.get_state(), random.getstate()
    np.random.seed(np.random.SeedSequence(42, spawn_key=(5,)).generate_state(8))
    words = np.random.SeedSequence(42, spawn_key=(5, 1)).generate_state(16)
    random.seed(sum(int(word) << 32 * place for place, word in enumerate(words)))
    np.testing.assert_array_equal(ours[0][1], np.random.get_state()[1])
    assert ours[1] == random.getstate()


def test_the_callers_globals_are_kept():
    np.random.seed(1)
    random.seed(1)
    before = np.random.get_state()[1].tolist(), random.getstate()
    with globals_kept():
        np.random.random()
        random.random()
    assert (np.random.get_state()[1].tolist(), random.getstate()) == before


def test_none_and_false_are_no_seed_and_true_is_a_new_one():
    assert root_of(None) is None and root_of(False) is None
    assert root_of(True) != root_of(True)


def test_true_inside_a_seeded_element_is_that_elements_own_stream():
    with inside(Element(root_of(42).child(3))):
        assert [root_of(True).key for _ in range(3)] == [(3, 0), (3, 1), (3, 2)]
    with inside(Element()):
        assert root_of(True).key == ()


@pytest.mark.parametrize("seed", [-1, 1.0, "1", b"1", object(), np.float64(1), [1]])
def test_what_is_no_seed_is_refused_by_name(seed):
    with pytest.raises(PlanError, match="seed="):
        root_of(seed)


def test_numbers_of_numpy_are_integers_too():
    assert root_of(np.int64(5)) == root_of(5) == root_of(np.uint8(5))


@pytest.mark.parametrize("wrong", [None, True, False])
def test_a_list_holds_real_seeds_only(wrong):
    with pytest.raises(PlanError, match=r"seed\[1\]"):
        roots_of([1, wrong])
