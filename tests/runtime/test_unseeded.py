"""Noticing draws is exact, and costs nothing that a short task would feel (R25)."""

from __future__ import annotations

import random
import subprocess
import sys

import numpy as np
import pytest
from kubefuture.core import unseeded

from tests.faults.programs import environment

DRAWS = {
    "random": random.random,
    "whole state": lambda: random.getrandbits(32 * 624),
    "shuffle": lambda: random.shuffle([1, 2, 3]),
    "numpy": np.random.random,
    "numpy state": lambda: np.random.randint(0, 1 << 32, 624, dtype=np.uint32),
}


def drawing_by_keyword(x, *, draw=random.random):
    return draw()


@pytest.mark.parametrize("draw", DRAWS.values(), ids=list(DRAWS))
@pytest.mark.parametrize("anywhere", [False, True])
def test_r25_every_draw_is_seen(draw, anywhere, monkeypatch):
    if anywhere:  # a Python that keeps its generator elsewhere
        monkeypatch.setattr(unseeded, "_python_address", lambda: 0)
    before = unseeded.state()
    assert not unseeded.drawn(before, unseeded.state())
    draw()
    assert unseeded.drawn(before, unseeded.state())


@pytest.mark.parametrize(
    ("function", "may"),
    [
        (abs, False),
        (int, False),
        (lambda x: x + 1, False),
        (lambda x: abs(len(x)), False),
        (lambda x: random.random(), True),
        (lambda x: [np.random.normal() for _ in x], True),
        (random.gauss, True),
        (random.random, True),
        (lambda x, y=2, *, z="text": x, False),
        (lambda x, draw=random.random: draw(), True),
        (lambda x, draw=np.random.normal: draw(), True),
        (lambda x, draws=(random.random,): draws[0](), True),
        (drawing_by_keyword, True),
        (lambda x: eval("__import__('random').random()"), True),
        (lambda x: __import__("random").random(), True),
    ],
)
def test_r25_only_functions_that_could_draw_are_watched(function, may):
    assert unseeded.may_draw(function) is may


def test_r25_numpy_is_not_loaded_for_it_and_its_first_draw_is_seen():
    program = (
        "import sys\nfrom kubefuture.core import unseeded\nbefore = unseeded.state()\n"
        "assert 'numpy' not in sys.modules\nimport numpy\nloaded = unseeded.state()\n"
        "assert not unseeded.drawn(before, loaded)\nnumpy.random.normal()\n"
        "assert unseeded.drawn(before, unseeded.state())\n"
    )
    subprocess.run([sys.executable, "-c", program], env=environment(), check=True)
