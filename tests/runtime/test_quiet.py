"""What can neither print nor draw is known beforehand, and nothing is done for it (R24, R28)."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from kubefuture.api.running import packed_function
from kubefuture.core.elements import FunctionRunner
from kubefuture.core.packing import pack_element
from kubefuture.core.quiet import is_quiet
from kubefuture.core.rng import root_of


def double(number: int) -> int:
    """Uses nothing."""
    return number * 2


def smallest(*numbers: int, key: None = None) -> int:
    """Uses built-in names."""
    return min(sorted(numbers)[0], len(numbers), *(abs(number) for number in numbers))


def importing(_number: int) -> float:
    """Imports inside."""
    import random as other

    return other.random()


def marked(number: int) -> int:
    """Has an attribute, which it can come to by its own name."""
    return number


marked.draw = random.random


@pytest.mark.parametrize("function", [double, smallest, abs, math.sqrt])
def test_what_uses_built_in_names_alone_is_quiet(function):
    assert is_quiet(function)


@pytest.mark.parametrize(
    "function",
    [
        importing,
        marked,
        random.random,
        random.Random().random,
        print,
        eval,
        lambda number: print(number),
        lambda number: random.random(),
        lambda number, draw=random.random: draw(),
        lambda number: getattr(number, "real"),  # noqa: B009
        lambda number: double(number),
        lambda number: [type(number) for _ in "a"],
        np.random.random,
        int,
        sum([], start=[lambda: 1])[0].__call__,
    ],
)
def test_whatever_may_reach_more_is_not(function):
    assert not is_quiet(function)


@pytest.mark.parametrize(
    ("function", "argument", "seeded"),
    [
        (double, 1, False),
        (double, "text", False),
        (double, np.float64(1.5), True),
        (importing, 1, True),
        (lambda draw: draw, random.random, True),
    ],
)
def test_R24_generators_are_set_only_for_what_can_draw(function, argument, seeded):
    random.seed(5)
    np.random.seed(5)
    before = random.getstate(), np.random.get_state()[1].tolist()
    runner = FunctionRunner(packed_function(function, 1, root_of(1))[0])
    element, payload = runner.element(0, pack_element((argument,), None, None))
    runner.run(element.root, payload)
    after = random.getstate(), np.random.get_state()[1].tolist()
    assert (before[0] != after[0], before[1] != after[1]) == (seeded, seeded)
