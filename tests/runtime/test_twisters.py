"""The global generators are set as NumPy and Python would set them, bit by bit (R24)."""

from __future__ import annotations

import random
import struct

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from kubefuture.core import twisters
from kubefuture.core.rng import globals_kept

WORD = st.integers(0, 2**32 - 1)


def packed(words):
    return struct.pack(f"<{len(words)}I", *words)


def numpys_state():
    name, key, *rest = np.random.get_state()
    return [name, key.tolist(), *rest]


@given(st.lists(WORD, min_size=2, max_size=20), st.integers(0, 3))
@example([0] * 8, 1)
@example([1] * 7 + [0], 1)
@example([2**32 - 1] * 8, 3)
def test_R24_numpys_generator_begins_as_its_own_way_would_whatever_it_did_before(words, normals):
    with globals_kept():
        np.random.seed(np.array(words, np.uint32))
        wanted = numpys_state()
        np.random.standard_normal(normals)
        np.random.random(5)
        twisters.seed_numpy(packed(words))
        assert numpys_state() == wanted


@given(st.lists(WORD, min_size=2, max_size=20), st.integers(0, 3))
@example([0] * 16, 1)
def test_R24_pythons_generator_begins_as_its_own_way_would_whatever_it_did_before(words, normals):
    with globals_kept():
        random.seed(int.from_bytes(packed(words), "little"))
        wanted = random.getstate()
        for _ in range(normals):
            random.gauss()
        twisters.seed_python(packed(words))
        assert random.getstate() == wanted


def test_this_numpy_and_python_can_be_set_the_short_way():
    with globals_kept():
        twisters.seed_numpy(packed([1] * 8))
    assert twisters._copier is not None


@pytest.fixture
def tried_anew(monkeypatch):
    monkeypatch.setattr(twisters, "_bits", None)
    monkeypatch.setattr(twisters, "_copier", None)


@pytest.mark.usefixtures("tried_anew")
def test_trying_it_draws_nothing_and_leaves_nothing():
    with globals_kept():
        np.random.standard_normal()
        before = numpys_state()
        twisters._tried(np.random.get_bit_generator())
        assert numpys_state() == before


@pytest.mark.usefixtures("tried_anew")
@pytest.mark.parametrize("way", ["no place is found", "another one does not work"])
def test_R24_where_numpy_is_built_otherwise_its_own_way_is_taken(monkeypatch, way):
    if way == "no place is found":
        monkeypatch.setattr(twisters, "_gauss_in", lambda owner: None)
    else:
        monkeypatch.setattr(twisters._Copier, "seed", lambda self, words: np.random.seed(7))
    with globals_kept():
        np.random.seed(np.array([5] * 8, np.uint32))
        wanted = numpys_state()
        twisters.seed_numpy(packed([5] * 8))
        assert numpys_state() == wanted and twisters._copier is None


def test_R24_a_generator_that_takes_the_place_of_numpys_is_set_too():
    before = np.random.get_bit_generator()
    np.random.set_bit_generator(np.random.MT19937(3))
    try:
        twisters.seed_numpy(packed([5] * 8))
        first = np.random.random()
    finally:
        np.random.set_bit_generator(before)
    with globals_kept():
        twisters.seed_numpy(packed([5] * 8))
        assert np.random.random() == first
