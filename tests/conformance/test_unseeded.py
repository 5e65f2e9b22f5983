"""Use of the global generators without a seed is noticed, and warned about once a map (R25)."""

from __future__ import annotations

import random
import warnings

import kubefuture as kf
import numpy as np
import pytest

from tests.faults.waiting import eventually


def draw_python(_):
    return random.random()


def draw_numpy(_):
    return np.random.normal()


def draw_whole_state(_):
    return sum(random.getrandbits(32) for _ in range(624))


def draw_and_fail(index):
    random.random()
    raise ValueError(index)


def draw_own(index):
    return random.Random(index).random() + np.random.default_rng(index).normal()


def seed_itself(index):
    random.seed(index)
    return random.random()


@pytest.fixture
def warned():
    """The texts of the warnings so far."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield lambda: [
            f"{one.filename}: {one.message}" for one in caught if "global random" in str(one.message)
        ]


@pytest.mark.parametrize("function", [draw_python, draw_numpy, draw_whole_state])
@pytest.mark.parametrize("chunk_size", [None, 5])
def test_r25_a_map_that_draws_without_a_seed_is_named_once(plan, warned, function, chunk_size):
    kf.map(function, range(40), chunk_size=chunk_size)
    (warning,) = warned()
    assert f"{function.__name__} drew" in warning and "seed=" in warning and __file__ in warning
    kf.map(function, range(3))
    assert len(warned()) == 2, "once for each map"


def test_r25_an_imap_is_warned_about(plan, warned):
    list(kf.imap(lambda _: random.random(), range(3)))
    (warning,) = warned()
    assert "<lambda> drew" in warning


def test_r25_a_future_is_warned_about(plan, warned):
    kf.future(draw_python, 0).result()
    eventually(lambda: len(warned()) == 1 and "draw_python" in warned()[0], "the warning")


def test_r25_elements_that_failed_are_noticed_too(plan, warned):
    kf.options(on_error="return").map(draw_and_fail, range(3))
    assert len(warned()) == 1


def test_r25_nobody_is_warned_who_gave_a_seed_or_drew_from_a_generator_of_their_own(plan, warned):
    for function in (draw_python, draw_numpy):
        kf.map(function, range(5), seed=1)
        kf.map(function, range(5), seed=[1, 2, 3, 4, 5])
        kf.options(seed=True).future(function, 0).result()
    for function in (draw_own, seed_itself, abs, np.sqrt, lambda x: x + 1):
        kf.map(function, range(5))
    inputs = (random.random() for _ in range(5))
    kf.map(abs, inputs)
    assert warned() == []


def test_r25_a_map_inside_of_a_seeded_element_needs_no_seed(plan, warned):
    kf.map(lambda index: kf.map(draw_python, range(index)), range(3), seed=1)
    assert warned() == []


def test_r25_a_warning_that_is_an_error_ends_the_map_and_nothing_else(plan):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match="draw_python drew"):
            kf.map(draw_python, range(3))
    assert kf.map(abs, [-1]) == [1]
