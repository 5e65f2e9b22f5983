"""The logs say what happened, in the order in which it happened, one line an event; `trace` tells a map's life."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from datetime import datetime, timedelta

import kubefuture as kf
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kubefuture.cli.trace import Line, read, trace
from kubefuture.core.events import Event, line, parse
from kubefuture.project.errors import ProjectError
from kubefuture.scheduler.diary import MOST_LINES, Diary

from tests.faults.checkpoint import reach
from tests.faults.waiting import LIMIT, eventually
from tests.runtime.driver import bring_up

keys = st.sampled_from(["session", "call", "reason", "element", "brought_along"])


def told(cluster, wanted):
    """The life of a map: what happened, without times and details."""
    return [text.split(" s  ")[1] for text in list(trace(read(cluster.folder), wanted))[1:]]


@given(st.dictionaries(keys, st.text()))
def test_an_event_is_one_line_and_can_be_read_again(fields):
    text = line("element-struck", **fields)
    assert "\n" not in text
    assert parse(text) == Event("element-struck", fields)


@pytest.mark.parametrize(
    "text", ["", "Hello world", "a sentence that a slot prints", "x = 3", "Traceback (most:"]
)
def test_what_slots_print_is_no_event(text):
    found = parse(text)
    assert found is None or not found.fields


def test_the_life_of_a_map_is_told_in_order(on_cluster, checkpoint):
    port = checkpoint.port
    thread = threading.Thread(
        target=lambda: kf.map(
            lambda i: reach(port, i) if i == 3 else i, range(100), chunk_size=1, name="life"
        )
    )
    thread.start()
    checkpoint.next().kill()
    visit = checkpoint.next()
    on_cluster.kill_scheduler()
    on_cluster.start_scheduler()
    visit.go("on")
    thread.join(LIMIT)
    kf.forget("life")
    eventually(lambda: "map-forgotten" in on_cluster.scheduler.text(), "the last line")
    happened = told(on_cluster, "life")
    words = ["map opened", "element struck", "scheduler started", "map restored", "leases brought along"]
    words += ["map finished", "map forgotten"]
    places = [next(i for i, text in enumerate(happened) if text.startswith(word)) for word in words]
    assert places == sorted(places)
    assert "element 3, count 1" in happened[places[1]] and "killed by SIGKILL" in happened[places[1]]
    assert any(text.startswith("slot lost") for text in happened)


def test_the_life_of_a_map_holds_nothing_of_another_and_ends_when_it_is_over(on_cluster):
    def deadly(index):
        if index == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return index

    kf.map(abs, range(3), name="first")
    results = kf.options(chunk_size=1, on_error="return", name="second").map(deadly, range(4))
    assert results[3] == 3
    kf.attach("first")
    lives = {name: list(trace(read(on_cluster.folder), name)) for name in ("first", "second")}
    assert not [text for text in lives["first"] if "slot lost" in text or "not over yet" in text]
    assert "map attached" in lives["first"][-1]
    assert len([text for text in lives["second"] if "slot lost" in text]) == 3
    kf.forget("first")
    kf.forget("second")


def test_two_maps_at_a_time_have_their_own_lives():
    def at(seconds, what, **fields):
        return Line(datetime(2026, 1, 1) + timedelta(seconds=seconds), Event(what, fields))

    ours, theirs = {"session": "a", "call": "1"}, {"session": "b", "call": "1"}
    lines = [
        at(0, "map-opened", **ours, name="ours"),
        at(1, "map-opened", **theirs, name="theirs"),
        at(2, "slot-lost", worker="w", lease="7", element="0"),
        at(2, "element-struck", **theirs, lease="7", element="0"),
        at(3, "element-struck", **ours, lease="8", element="1"),
        at(3, "slot-lost", worker="w", lease="8", element="1"),
        at(4, "scheduler-started", epoch="e"),
        at(5, "map-finished", **ours),
        at(6, "slot-started", worker="w"),
    ]
    found = [text.split(" s  ")[1].split("  ")[0] for text in list(trace(lines, "ours"))[1:]]
    assert found == ["map opened", "element struck", "slot lost", "scheduler started", "map finished"]
    assert "not over yet" in list(trace(lines, "theirs"))[-1]


def test_a_map_of_one_element_is_no_line_like_a_future(on_cluster):
    before = on_cluster.scheduler.text()
    kf.map(abs, [-1])
    kf.map(abs, range(3))
    eventually(lambda: "map-finished" in on_cluster.scheduler.text().removeprefix(before), "the last line")
    new = on_cluster.scheduler.text().removeprefix(before)
    assert new.count("map-opened") == new.count("map-finished") == 1


def test_an_element_that_does_well_is_no_line_and_a_map_is_two(on_cluster):
    kf.map(abs, range(2000))
    before = on_cluster.scheduler.text()
    kf.map(abs, range(2000))
    [kf.future(abs, -x).result() for x in range(50)]
    kf.map(abs, range(3))
    eventually(lambda: on_cluster.scheduler.text().count("map-finished") == 3, "the last line")
    new = on_cluster.scheduler.text().removeprefix(before).splitlines()
    names = [text.split(" ")[1] for text in new]
    assert names[-4:] == ["map-opened", "map-finished"] * 2
    assert set(names) == {"map-opened", "map-finished"}


def test_a_session_says_when_it_comes_and_goes(on_cluster):
    script = "import kubefuture as kf, sys; from pathlib import Path; kf.plan('cluster', connection=Path(sys.argv[1]))"
    command = [sys.executable, "-c", f"{script}; kf.map(abs, [1, 2])", str(on_cluster.connection)]
    path = os.pathsep.join(sys.path)
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": path}, capture_output=True)
    eventually(lambda: "reason=goodbye" in on_cluster.scheduler.text(), "the goodbye")
    events = [parse(text.partition(" ")[2]) for text in on_cluster.scheduler.text().splitlines()]
    ours = [event for event in events if event and event.fields.get("session")]
    gone = next(event for event in ours if event.name == "closed")
    names = [event.name for event in ours if event.fields["session"] == gone.fields["session"]]
    assert names == ["connected", "map-opened", "map-finished", "closed"]


def test_the_worker_says_what_becomes_of_its_slots(on_cluster):
    os.kill(on_cluster.slots()[0], signal.SIGKILL)
    assert on_cluster.worker is not None
    eventually(lambda: on_cluster.worker.text().count("slot-started") == 3, "the next one")
    assert "slot-lost worker=" in on_cluster.worker.text()
    assert 'reason="killed by SIGKILL"' in on_cluster.worker.text()


def test_the_logs_hold_no_secret(on_cluster):
    kf.map(lambda x: x, ["a password"] * 3)
    token = json.loads(on_cluster.connection.read_text())["token"]
    said = on_cluster.scheduler.text() + on_cluster.worker.text()
    assert token not in said
    assert "a password" not in said


def test_a_map_that_fails_everywhere_fills_no_disk():
    lines: list[str] = []
    diary = Diary(lines.append)
    failed = [Event("element-failed", {"session": "a", "call": 1, "element": i}) for i in range(1000)]
    diary.write([Event("map-opened", {"session": "a", "call": 1})])
    diary.write([*failed, Event("map-finished", {"session": "a", "call": 1, "elements": 1000})])
    assert len(lines) == MOST_LINES + 2
    assert "only counted" in lines[-2]
    assert lines[-1] == "map-finished session=a call=1 elements=1000 failed=1000"


def test_nothing_is_kept_for_futures_that_fail_nor_for_maps_that_are_over():
    diary = Diary(lambda line: None)
    for call in range(1000):
        diary.write([Event("element-failed", {"session": "a", "call": call, "element": 0})])
    for call, end in enumerate(["map-finished", "map-cancelled", "map-forgotten"], 2000):
        for name in ("map-restored", "element-struck", end):
            diary.write([Event(name, {"session": "a", "call": call})])
    assert not diary._counts


def test_a_machine_whose_events_nobody_reads_keeps_none():
    driver, worker, client = bring_up(1)
    driver.map(client, 7, 3)
    driver.raised(worker, driver.leases(worker)[0][1], 0)
    assert driver.machine._state.events is None


def test_a_map_that_is_not_in_the_logs_is_named_with_those_that_are(on_cluster):
    with pytest.raises(ProjectError, match="no maps in the logs yet"):
        list(trace(read(on_cluster.folder), "means"))
    kf.map(abs, range(3), name="sums")
    eventually(lambda: "map-finished" in on_cluster.scheduler.text(), "the line")
    with pytest.raises(ProjectError, match=r"no map 'means' in the logs.*: sums"):
        list(trace(read(on_cluster.folder), "means"))
    kf.forget("sums")
