"""What the keeper does next, in virtual time."""

from __future__ import annotations

import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kubefuture.keeper.supervision import (
    FIRST_REST,
    GOOD_LIFE,
    LONGEST_REST,
    Finish,
    Phase,
    Send,
    Start,
    Supervision,
    Up,
)

NAMES = ("scheduler", "worker")


def machine() -> Supervision:
    return Supervision(NAMES, grace=5.0, start_limit=60.0)


def up(now: float = 0.0) -> Supervision:
    made = machine()
    made.begin(now)
    made.ready("scheduler", now)
    made.ready("worker", now)
    return made


def test_programs_start_one_after_the_other():
    made = machine()
    assert made.begin(0.0) == [Start("scheduler")]
    assert made.phase("worker") is Phase.WAITING
    assert made.ready("scheduler", 1.0) == [Start("worker")]
    assert made.ready("worker", 2.0) == [Up()]
    assert made.all_ready
    assert made.deadline() is None


def test_a_first_start_that_fails_ends_the_others_and_gives_the_reason():
    made = machine()
    made.begin(0.0)
    made.ready("scheduler", 1.0)
    assert made.exited("worker", "No memory.", 2.0) == [Send("scheduler", signal.SIGTERM)]
    assert made.exited("scheduler", "Ended.", 3.0) == [Finish("No memory.")]


def test_a_first_start_that_takes_too_long_is_given_up():
    made = machine()
    made.begin(0.0)
    assert made.deadline() == 60.0
    assert made.tick(59.9) == []
    assert made.tick(60.0) == [Send("scheduler", signal.SIGTERM)]
    assert made.exited("scheduler", "", 60.1) == [Finish("The scheduler was not ready after 60 s.")]


def test_a_program_that_exits_later_is_started_again_after_a_rest_that_doubles():
    made = up()
    now, rests = 0.0, []
    for _ in range(10):
        assert made.exited("worker", "Crashed.", now) == []
        rest = made.deadline() - now
        rests.append(rest)
        assert made.tick(now + rest - 0.001) == []
        now += rest
        assert made.tick(now) == [Start("worker")]
        assert made.ready("worker", now) == []
    assert rests[:4] == pytest.approx([FIRST_REST * 2**power for power in range(4)])
    assert rests[-1] == LONGEST_REST
    assert made.phase("scheduler") is Phase.READY


def test_a_long_life_is_forgiven_its_exits():
    made = up()
    for _ in range(5):
        made.exited("worker", "Crashed.", 0.0)
        made.tick(made.deadline())
    born = 100.0
    made.exited("worker", "Crashed.", born)
    made.tick(born + LONGEST_REST)
    died = born + LONGEST_REST + GOOD_LIFE
    made.exited("worker", "Crashed.", died)
    assert made.deadline() - died == pytest.approx(FIRST_REST)


def test_the_last_program_is_ended_first():
    made = up()
    assert made.end(1.0) == [Send("worker", signal.SIGTERM)]
    assert made.exited("worker", "", 1.1) == [Send("scheduler", signal.SIGTERM)]
    assert made.exited("scheduler", "", 1.2) == [Finish("")]


def test_a_program_that_does_not_listen_is_killed_after_its_grace():
    made = up()
    made.end(1.0)
    assert made.tick(5.9) == []
    assert made.tick(6.0) == [Send("worker", signal.SIGKILL)]
    assert made.exited("worker", "", 6.1) == [Send("scheduler", signal.SIGTERM)]


def test_a_program_that_even_the_kernel_cannot_end_does_not_hold_the_others_up():
    made = up()
    made.end(1.0)
    made.tick(6.0)
    assert made.tick(11.0) == [Send("scheduler", signal.SIGTERM)]


def test_a_resting_program_is_not_started_again_once_the_end_was_asked_for():
    made = up()
    made.exited("worker", "Crashed.", 1.0)
    assert made.end(1.05) == [Send("scheduler", signal.SIGTERM)]
    assert made.tick(2.0) == []
    assert made.exited("scheduler", "", 2.0) == [Finish("")]


def test_asking_twice_changes_nothing():
    made = up()
    made.end(1.0)
    assert made.end(2.0) == []


EVENTS = st.lists(
    st.tuples(st.sampled_from(["ready", "exited", "tick", "end"]), st.sampled_from(NAMES), st.floats(0, 40)),
    max_size=40,
)


@given(EVENTS)
def test_whatever_happens_nothing_runs_twice_and_the_end_comes_once(events):
    made, now, alive, finished = machine(), 0.0, set(), 0

    def act(actions):
        nonlocal finished
        for action in actions:
            if isinstance(action, Start):
                assert action.name not in alive
                assert not finished
                alive.add(action.name)
            elif isinstance(action, Send):
                assert action.name in alive
            elif isinstance(action, Finish):
                finished += 1

    act(made.begin(now))
    for kind, name, step in events:
        now += step
        if kind == "ready" and name in alive:
            act(made.ready(name, now))
        elif kind == "exited" and name in alive:
            alive.discard(name)
            act(made.exited(name, "Gone.", now))
        elif kind == "tick":
            act(made.tick(now))
        elif kind == "end":
            act(made.end(now))
    # Whatever was going on, an end that is asked for comes, even if nothing listens.
    act(made.end(now))
    for _ in range(10):
        now += 5.0
        act(made.tick(now))
    assert finished == 1
