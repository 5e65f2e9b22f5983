"""Errors: the user's own arrive as themselves, ours name what and where, and nothing else is lost."""

from __future__ import annotations

import platform
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import kubefuture as kf
import numpy as np
import pytest
from kubefuture.api.plan import current_plan
from kubefuture.errors import PlanError, ResultError, UnpicklableError

from tests.faults.checkpoint import reach


class Refused(Exception):
    """An error of the user's own, with more than a message."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


def explain_refusal(code):
    reason = f"code {code} is refused"
    raise Refused(code, reason)


def test_an_error_arrives_as_itself(plan):
    with pytest.raises(Refused) as caught:
        kf.map(explain_refusal, [418])
    assert caught.value.code == 418 and caught.value.reason == "code 418 is refused"
    with pytest.raises(Refused):
        kf.future(explain_refusal, 418).result()
    assert not isinstance(caught.value, kf.KubefutureError)


def test_its_cause_is_the_remote_traceback_which_starts_in_the_users_file(plan):
    with pytest.raises(Refused) as caught:
        kf.map(explain_refusal, [418])
    text = str(caught.value.__cause__)
    frames = [line for line in text.splitlines() if line.strip().startswith("File ")]
    assert __file__ in frames[0] and "explain_refusal" in frames[0]
    assert "raise Refused(code, reason)" in text
    assert text in "".join(traceback.format_exception(caught.value))


def test_an_error_of_a_library_shows_the_way_there_and_nothing_of_ours(plan):
    import json

    with pytest.raises(json.JSONDecodeError) as caught:
        kf.map(lambda text: json.loads(text), ["{"])
    text = str(caught.value.__cause__)
    assert text.index(__file__) < text.index("json")
    assert "kubefuture/worker" not in text and "kubefuture/core" not in text


def test_an_error_keeps_its_own_cause_and_its_notes(plan):
    def fail(_):
        try:
            {}["x"]
        except KeyError as error:
            raise ValueError("no x") from error

    with pytest.raises(ValueError, match="no x") as caught:
        kf.map(fail, [1])
    assert "KeyError: 'x'" in str(caught.value.__cause__)
    assert "direct cause" in str(caught.value.__cause__)


def test_an_error_says_which_element_it_was(plan):
    def third_fails(index):
        if index == 2:
            raise ValueError("bad")

    with pytest.raises(ValueError, match="bad") as caught:
        kf.map(third_fails, range(3))
    assert any("element 2 of third_fails" in note for note in caught.value.__notes__)


def test_an_error_says_what_the_element_was_given_in_a_line_and_where_it_ran(plan):
    def fail(text, more):
        raise ValueError("bad")

    with pytest.raises(ValueError, match="bad") as caught:
        kf.map(fail, ["a\nb" * 100], [np.zeros((3, 3))])
    (note,) = caught.value.__notes__
    assert note.startswith("kubefuture: element 0 of fail, given 'a\\nba\\nb") and "\n" not in note
    assert (f"on {platform.node()}" in note) == (plan.kind != "sequential")
    assert len(note) < 250
    with pytest.raises(ValueError, match="bad") as caught:
        kf.future(fail, "x", more={"a": 1}).result()
    assert caught.value.__notes__[0].startswith("kubefuture: future fail, given 'x', more={'a': 1}")


class Unshown:
    def __init__(self, error):
        self.error = error

    def __repr__(self):
        raise self.error("no words")


@pytest.mark.parametrize("error", [RuntimeError, SystemExit])
def test_an_argument_that_cannot_be_shown_hides_no_error(plan, error):
    def fail(_):
        raise ValueError("bad")

    with pytest.raises(ValueError, match="bad"):
        kf.map(fail, [Unshown(error)])


def of_ours(error):
    return [
        frame.filename
        for frame in traceback.extract_tb(error.__traceback__)
        if "kubefuture" in Path(frame.filename).parts or "concurrent" in Path(frame.filename).parts
    ]


@pytest.mark.parametrize(
    "call",
    [
        lambda: kf.map(explain_refusal, [1]),
        lambda: kf.options(retries=1).map(explain_refusal, [1]),
        lambda: list(kf.imap(explain_refusal, [1])),
        lambda: kf.future(explain_refusal, 1).result(),
        lambda: kf.value([kf.future(explain_refusal, 1)]),
        lambda: kf.map(threading.Lock().__enter__, []),
        lambda: kf.map(lambda _: threading.Lock(), [1]),
        lambda: kf.map(abs, [1], chunk_size=0),
        lambda: kf.imap(abs, [1], chunk_size=0),
        lambda: kf.options(chunk_size=0),
        lambda: list(kf.options(seed=[1]).imap(abs, [1, 2])),
        lambda: list(kf.ClusterExecutor().map(explain_refusal, [1, 2])),
        lambda: list(kf.ClusterExecutor().map(explain_refusal, [1, 2], chunksize=2)),
        lambda: kf.plan("multicore"),
        lambda: kf.scale(-1),
        lambda: kf.path("no such file"),
        lambda: kf.share(threading.Lock()),
        lambda: kf.attach(""),
        lambda: kf.forget(""),
    ],
)
def test_the_traceback_goes_from_the_callers_line_to_the_error_without_our_frames(plan, call):
    with pytest.raises((Refused, kf.KubefutureError)) as caught:
        call()
    assert of_ours(caught.value) == []
    assert traceback.extract_tb(caught.value.__traceback__)[-1].filename == __file__


def test_what_the_inputs_raise_keeps_its_own_frames(plan):
    def inputs():
        yield 1
        raise OSError("no such row")

    for call in (kf.map, kf.imap, kf.options(label="rows").map, kf.options(label="rows").imap):
        with pytest.raises(OSError, match="no such row") as caught:
            list(call(abs, inputs()))
        names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
        assert names[-1] == "inputs" and of_ours(caught.value) == []


def test_time_that_runs_out_while_values_are_waited_for_shows_no_frames_of_ours(pool, checkpoint):
    future = kf.future(reach, checkpoint.port)
    visit = checkpoint.next()
    with pytest.raises(TimeoutError, match="1 of 1 futures") as caught:
        kf.value([future], timeout=0.01)
    assert of_ours(caught.value) == []
    visit.go()
    future.result()


@pytest.mark.parametrize("call", ["map", "imap"])
def test_on_error_return_gives_errors_in_their_elements_places(plan, call):
    calls = kf.options(on_error="return")
    first, second, third = getattr(calls, call)(lambda x: 1 // x, [1, 0, -1])
    assert (first, third) == (1, -1)
    assert isinstance(second, ZeroDivisionError)


def test_imap_raises_an_error_in_its_elements_turn(plan):
    results = kf.imap(lambda x: 1 // x, [1, -1, 0, 1])
    assert [next(results), next(results)] == [1, -1]
    with pytest.raises(ZeroDivisionError):
        next(results)
    with pytest.raises(StopIteration):
        next(results)


def test_the_first_error_cancels_the_rest_and_raises_at_once(pool, checkpoint, all_slots_work):
    port = checkpoint.port

    def first_fails(index):
        reach(port, index)
        if index == 0:
            raise ValueError("at once")

    def let_the_first_go():
        one, other = sorted(checkpoint.take(2), key=lambda visit: int(visit.label))
        one.go()
        return other

    with ThreadPoolExecutor(1) as helper:
        running = helper.submit(let_the_first_go)
        with pytest.raises(ValueError, match="at once"):
            kf.map(first_fails, range(100))
        running.result().left()
    assert not (checkpoint.anybody and checkpoint.anybody), "one more at most had started meanwhile"


def test_the_pool_is_usable_after_an_error(plan):
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            kf.map(lambda x: 1 // x, range(10))
        assert kf.map(abs, range(10)) == list(range(10))


def test_a_function_that_cannot_be_sent_is_named_with_the_part_that_cannot(plan):
    lock = threading.Lock()

    def guarded(x):
        with lock:
            return x

    for call in (kf.future, lambda fn, *args: kf.map(fn, args)):
        with pytest.raises(UnpicklableError) as caught:
            call(guarded, 1)
        assert "guarded" in str(caught.value) and "'lock'" in str(caught.value)
    assert isinstance(caught.value, TypeError)
    assert kf.future(abs, -1).result() == 1


def test_an_argument_that_cannot_be_sent_is_named_before_anything_is(pool, tmp_path):
    ran = tmp_path / "ran"

    def leave_a_trace(argument):
        ran.touch()
        return argument

    class WaitsForTheProcessor:
        def __reduce__(self):
            time.sleep(0.02)
            return int, ()

    with pytest.raises(UnpicklableError, match=r"Argument 1 of element 5 .*generator.*was not sent"):
        kf.map(leave_a_trace, [*range(5), (x for x in "ab"), *range(5)])
    with pytest.raises(UnpicklableError, match=r"Argument 1 of element 1501 "):
        kf.map(leave_a_trace, [*range(1500), WaitsForTheProcessor(), threading.Lock(), *range(500)])
    with pytest.raises(UnpicklableError, match=r"Argument 'data' .*\['key'\]"):
        kf.future(leave_a_trace, data={"key": threading.Lock()})
    assert kf.map(abs, [1, 2, 3]) == [1, 2, 3]
    assert not ran.exists()


def test_an_argument_deep_in_a_long_map_is_named_and_the_rest_cancelled(pool, all_slots_work):
    numbers = (threading.Lock() if index == 5000 else index for index in range(100_000))
    with pytest.raises(
        UnpicklableError, match=r"Argument 1 of element 5000 .*what was sent before is cancelled"
    ):
        kf.map(abs, numbers)


def test_an_object_that_refuses_to_be_sent_in_its_own_way_is_named_too(plan):
    class Sealed:
        def __reduce__(self):
            raise RuntimeError("this handle is sealed")

    with pytest.raises(
        UnpicklableError, match=r"Argument 1 of element 0 \(a list\).*\[0\].*handle is sealed"
    ):
        kf.map(len, [[Sealed()]])
    with pytest.raises(ResultError, match="handle is sealed"):
        kf.map(lambda _: Sealed(), [1])


def test_a_result_that_cannot_be_sent_back_says_so(plan):
    with pytest.raises(ResultError, match=r"generator.*cannot be sent back"):
        kf.map(lambda n: (x for x in range(n)), [3])
    with pytest.raises(ResultError, match=r"returned a dict, .*\['lock'\]"):
        kf.future(lambda: {"fine": 1, "lock": __import__("threading").Lock()}).result()
    assert kf.future(abs, -1).result() == 1


def test_an_error_that_cannot_be_sent_back_arrives_quoted(plan):
    def fail(_):
        class Needy(Exception):
            def __init__(self, one, two):
                super().__init__("only this is kept")

        raise Needy(1, 2)

    with pytest.raises(ResultError, match=r"Needy.*only this is kept") as caught:
        kf.map(fail, [1])
    assert "raise Needy(1, 2)" in str(caught.value.__cause__)


def test_leaving_python_in_a_function_arrives_as_system_exit(plan, all_slots_work_if_any):
    import sys

    with pytest.raises(SystemExit) as caught:
        kf.map(lambda code: sys.exit(code), [3])
    assert caught.value.code == 3
    kept, other = kf.options(on_error="return").map(lambda code: code and sys.exit(code), [4, 0])
    assert isinstance(kept, SystemExit) and kept.code == 4 and other == 0


@pytest.fixture
def all_slots_work_if_any(request, kind):
    if kind != "sequential":
        request.getfixturevalue("all_slots_work")


def test_an_element_that_raises_runs_again_as_often_as_retries_says(plan, tmp_path):
    def fails_twice(name):
        tries = len(list(tmp_path.glob(f"{name}-*")))
        (tmp_path / f"{name}-{tries}").touch()
        if tries < 2:
            raise ConnectionError(f"try {tries}")
        return tries

    assert kf.options(retries=2).map(fails_twice, "abc") == [2, 2, 2]
    assert kf.options(retries=5).future(fails_twice, "future").result() == 2
    with pytest.raises(ConnectionError, match="try 1"):
        kf.options(retries=1).map(fails_twice, ["d"])
    with pytest.raises(ConnectionError, match="try 0"):
        kf.map(fails_twice, ["e"])


def test_time_that_runs_out_cancels_the_call_and_frees_its_slots(pool, checkpoint, all_slots_work):
    port = checkpoint.port
    with pytest.raises(TimeoutError, match=r"stuck did not finish within 0\.2 s"):
        kf.options(timeout=0.2, label="stuck").map(lambda index: reach(port, index), range(10))


def test_time_is_looked_at_between_the_elements_of_the_sequential_plan(plan):
    with pytest.raises(TimeoutError):
        kf.map(abs, [1, 2], timeout=0)


def test_a_plan_error_is_a_value_error_too():
    assert issubclass(PlanError, ValueError) and issubclass(PlanError, kf.KubefutureError)


def test_R22_a_future_that_takes_longer_than_its_timeout_ends_and_frees_its_slot(
    pool, checkpoint, monkeypatch
):
    """Its time is taken from when it runs on, since on a busy machine it may be up before."""
    backend, timers = current_plan().backend(), []
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(type(backend), "call_later", lambda _, *timer: timers.append(timer))
        future = kf.options(timeout=2.0, label="slow").future(reach, checkpoint.port, 0)
    visit = checkpoint.next()
    ((seconds, end),) = timers
    backend.call_later(seconds, end)
    with pytest.raises(TimeoutError, match=r"slow did not finish within 2\.0 s"):
        future.result()
    visit.left()
    assert kf.map(abs, [-1, 2]) == [1, 2]
