"""Named maps are the journal's: they outlive their client and the scheduler, and are collected by name (R5, R6, R8)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import kubefuture as kf
import pytest
from kubefuture.errors import NamedMapError, PlanError

from tests.faults.checkpoint import reach
from tests.faults.programs import Cluster, environment
from tests.faults.recorded import recorded
from tests.faults.waiting import LIMIT, eventually

BEGINNER = """
import sys
from pathlib import Path
import kubefuture as kf
from tests.faults.checkpoint import reach
kf.plan("cluster", connection=Path(sys.argv[1]))
port = int(sys.argv[2])
kf.map(lambda index: (index, reach(port, index) if index in (3, 4) else ""), range(200), name="work", chunk_size=1)
"""


def begin(cluster: Cluster, port: int) -> subprocess.Popen[bytes]:
    """Another program begins a map that stops in two elements."""
    here = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([here, os.environ.get("PYTHONPATH", "")])}
    arguments = [sys.executable, "-c", BEGINNER, str(cluster.connection), str(port)]
    return subprocess.Popen(arguments, env=environment, cwd=here)


def test_R5_a_named_map_gives_what_an_unnamed_one_gives(on_cluster):
    named = kf.map(lambda x, rng: (x, rng.random()), range(500), seed=7, name="numbers")
    assert named == kf.map(lambda x, rng: (x, rng.random()), range(500), seed=7)
    assert kf.attach("numbers") == named, "and it stays"
    kf.forget("numbers")


def test_R5_a_name_that_is_taken_is_refused_and_names_the_map_that_has_it(on_cluster):
    kf.map(abs, range(3), name="taken")
    with pytest.raises(NamedMapError, match=r"'taken' already: abs.*3 of 3.*kf.attach.*kf.forget"):
        kf.map(abs, range(5), name="taken")
    assert kf.attach("taken") == [0, 1, 2]
    kf.forget("taken")
    assert kf.map(abs, [-7], name="taken") == [7]
    kf.forget("taken")


def test_R5_a_map_goes_on_when_its_client_is_killed_and_is_collected_by_another(on_cluster, checkpoint):
    program = begin(on_cluster, checkpoint.port)
    visits = checkpoint.take(2)
    program.kill()
    program.wait()
    for visit in visits:
        visit.go("on")
    assert kf.attach("work") == [(i, "on" if i in (3, 4) else "") for i in range(200)]
    assert not checkpoint.anybody, "nothing was run twice"
    kf.forget("work")


def test_R5_a_map_outlives_client_and_scheduler_at_once(on_cluster, checkpoint):
    program = begin(on_cluster, checkpoint.port)
    visits = checkpoint.take(2)
    recorded()
    program.send_signal(signal.SIGSTOP)
    on_cluster.kill_scheduler()
    program.kill()
    program.wait()
    on_cluster.start_scheduler()
    for visit in visits:
        visit.go("on")
    assert kf.attach("work") == [(i, "on" if i in (3, 4) else "") for i in range(200)]
    assert not checkpoint.anybody, "R7: what ran has gone on"
    kf.forget("work")


def test_R6_whoever_waits_gets_each_result_once_though_the_scheduler_dies_again_and_again(on_cluster):
    outcome: list[list[int]] = []
    told: list[int] = []
    thread = threading.Thread(
        target=lambda: outcome.append(
            kf.map(
                lambda x: x * x,
                range(3000),
                chunk_size=3,
                name="again",
                progress=lambda done, _: told.append(done),
            )
        )
    )
    thread.start()
    for share in (100, 700, 1500):
        eventually(lambda share=share: len(told) > share, "some results")  # type: ignore[misc]
        on_cluster.kill_scheduler()
        on_cluster.start_scheduler()
    thread.join(LIMIT)
    assert outcome == [[x * x for x in range(3000)]]
    assert told == list(range(1, 3001))
    kf.forget("again")


def test_R8_strikes_are_remembered_by_the_next_scheduler(on_cluster, checkpoint):
    port = checkpoint.port
    outcome: list[BaseException] = []

    def collect() -> None:
        try:
            kf.map(lambda _: reach(port), [0], name="poison")
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=collect)
    thread.start()
    checkpoint.next().kill()
    checkpoint.next().kill()
    visit = checkpoint.next()
    on_cluster.kill_scheduler()
    on_cluster.start_scheduler()
    eventually(lambda: on_cluster.status().workers and on_cluster.status().workers[0].busy == 1, "the worker")
    visit.kill()
    thread.join(LIMIT)
    assert [type(error).__name__ for error in outcome] == ["PoisonError"]
    kf.forget("poison")


def test_R18_the_first_error_cancels_a_named_map_and_is_found_again(on_cluster):
    with pytest.raises(ZeroDivisionError):
        kf.map(lambda x: 1 // (x - 5), range(1000), chunk_size=1, name="broken")
    with pytest.raises(ZeroDivisionError):
        kf.attach("broken")
    kf.forget("broken")


def test_errors_can_be_collected_in_place(on_cluster):
    caller = kf.options(on_error="return", name="some")
    results = caller.map(lambda x: 1 // (x - 2), range(5))
    again = kf.attach("some", on_error="return")
    for found in (results, again):
        assert [type(value).__name__ for value in found] == ["int", "int", "ZeroDivisionError", "int", "int"]
    kf.forget("some")


def test_a_map_that_goes_on_can_be_left_and_attached_to(on_cluster, checkpoint):
    port = checkpoint.port
    with pytest.raises(TimeoutError):
        kf.map(lambda i: reach(port, i), range(2), name="long", timeout=0.5)
    for visit in checkpoint.take(2):
        visit.go("done")
    assert kf.attach("long") == ["done", "done"]
    kf.forget("long")


def test_R5_a_script_that_takes_no_result_of_a_named_map_hands_all_of_it_over(cluster, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import kubefuture as kf\n"
        "results = kf.imap(abs, range(-1000, 0), name='much')\n"
        "first = kf.imap(abs, range(-1000, 0), name='broken off')\n"
        "for one in first:\n"
        "    break\n"
    )
    choose = environment(KUBEFUTURE_CONNECTION=str(cluster.connection))
    done = subprocess.run([sys.executable, script], env=choose, capture_output=True, text=True, timeout=LIMIT)
    assert done.returncode == 0 and "elements" not in done.stderr, done.stderr
    with kf.plan("cluster", connection=cluster.connection):
        for name in ("much", "broken off"):
            assert kf.attach(name) == list(range(1000, 0, -1))
            kf.forget(name)


@pytest.mark.parametrize("leave", ["end", "break", "timeout"])
def test_R5_inputs_without_an_end_are_read_no_further_than_the_program_goes(cluster, tmp_path, leave):
    script = tmp_path / "script.py"
    ways = {
        "end": "results = kf.imap(abs, count(), name='endless')\n",
        "break": "for result in kf.imap(abs, count(), name='endless'):\n    break\n",
        "timeout": "try:\n    kf.map(abs, count(), name='endless', timeout=0.5)\nexcept TimeoutError:\n    pass\n",
    }
    script.write_text("from itertools import count\nimport kubefuture as kf\n" + ways[leave])
    choose = environment(KUBEFUTURE_CONNECTION=str(cluster.connection))
    done = subprocess.run([sys.executable, script], env=choose, capture_output=True, text=True, timeout=LIMIT)
    assert done.returncode == 0, done.stderr
    (said,) = [line for line in done.stderr.splitlines() if "endless" in line]
    elements = int(said.split(" elements: its inputs were read no further")[0].rsplit(" ", 1)[1])
    with kf.plan("cluster", connection=cluster.connection):
        assert kf.attach("endless") == list(range(elements))
        kf.forget("endless")


def test_forgetting_a_map_that_runs_cancels_it(on_cluster, checkpoint):
    port = checkpoint.port
    results = kf.imap(lambda i: reach(port, i), range(2), name="unwanted")
    visits = checkpoint.take(2)
    kf.forget("unwanted")
    for visit in visits:
        visit.left()
    with pytest.raises(NamedMapError, match="forgotten"):
        list(results)


def test_what_cannot_be_attached_to_or_forgotten_is_named(on_cluster):
    kf.map(abs, [1], name="here")
    for ask in (kf.attach, kf.forget):
        with pytest.raises(NamedMapError, match=r"no map named 'nowhere'.*here"):
            ask("nowhere")
    kf.forget("here")


@pytest.mark.parametrize("name", ["", 5, "x" * 201, "a\nb"])
def test_a_name_that_cannot_be_is_refused_before_anything_is_sent(name):
    with pytest.raises(PlanError, match="name="):
        kf.map(abs, [1], name=name)


def test_without_a_journal_a_name_is_only_a_name():
    with kf.plan("sequential"):
        assert kf.map(abs, [-1], name="x") == [1]
        with pytest.raises(PlanError, match="choose plan"):
            kf.attach("x")


def test_R9_maps_survive_a_stop_of_everything(tmp_path):
    with Cluster(2) as cluster:
        with kf.plan("cluster", connection=cluster.connection):
            expected = kf.map(lambda x: "y" * x, range(50), name="kept")
        cluster.scheduler.kill(signal.SIGTERM)
        cluster.worker.close()
        cluster.start_scheduler()
        cluster.start_worker()
        with kf.plan("cluster", connection=cluster.connection):
            assert kf.attach("kept") == expected


RUN = """
import sys
from pathlib import Path
import kubefuture as kf
from tests.faults.checkpoint import reach
kf.plan("cluster", connection=Path(sys.argv[1]))
port, folder = int(sys.argv[2]), Path(sys.argv[3])

def note(index, rng):
    with open(folder / str(index), "a") as file:
        file.write("x")
    if index == 30:
        reach(port)
    return index, rng.random()

first = kf.map(note, range(20), seed=True)
second = kf.map(note, range(20, 40), seed=True, chunk_size=1)
(folder / "results").write_text(repr((first, second)))
"""


def run(cluster: Cluster, port: int, folder: Path, text: str = RUN) -> subprocess.Popen[bytes]:
    """A script as a part of the run `work`."""
    here = str(Path(__file__).parents[2])
    path = os.pathsep.join([here, os.environ.get("PYTHONPATH", "")])
    arguments = [sys.executable, "-c", text, str(cluster.connection), str(port), str(folder)]
    return subprocess.Popen(
        arguments,
        env={**os.environ, "PYTHONPATH": path, "KUBEFUTURE_RUN": "work"},
        cwd=folder,
        stderr=subprocess.PIPE,
    )


def test_R5_a_run_that_is_started_anew_takes_its_maps_up_where_they_were(on_cluster, checkpoint, tmp_path):
    program = run(on_cluster, checkpoint.port, tmp_path)
    visit = checkpoint.next()
    eventually(lambda: len(list(tmp_path.iterdir())) == 40, "all elements")
    program.kill()
    program.wait()
    program = run(on_cluster, checkpoint.port, tmp_path)
    visit.go()
    assert program.wait(LIMIT) == 0, program.stderr.read()
    first, second = eval((tmp_path / "results").read_text())
    assert [index for index, _ in first + second] == list(range(40))
    assert {path.name: path.read_text() for path in tmp_path.iterdir() if path.name != "results"} == {
        str(index): "x" for index in range(40)
    }, "nothing was run twice"
    assert kf.attach("work/1") == first, "seed=True was drawn once, and journaled"
    for name in ("work/1", "work/2"):
        kf.forget(name)


LEFT = """
import os
import subprocess
import sys
from pathlib import Path
import kubefuture as kf
kf.plan("cluster", connection=Path(sys.argv[1]))
kf.map(abs, range(3))
child = os.fork()
if child == 0:
    kf.plan("cluster", connection=Path(sys.argv[1]))
    kf.map(abs, range(3))
    sys.exit()
assert os.waitpid(child, 0)[1] == 0
started = "import os, sys; sys.exit('KUBEFUTURE_RUN' in os.environ)"
assert subprocess.run([sys.executable, "-c", started]).returncode == 0
kf.map(abs, range(3), seed=[1, 2, 3])
"""


def test_R5_what_a_run_starts_is_not_that_run(on_cluster, tmp_path):
    first = run(on_cluster, 0, tmp_path, LEFT)
    assert first.wait(LIMIT) == 0, first.stderr.read()
    with pytest.raises(NamedMapError, match="no map named 'work/3'"):
        kf.attach("work/3")
    other_seeds = run(on_cluster, 0, tmp_path, LEFT.replace("[1, 2, 3]", "[1, 2, 4]"))
    assert other_seeds.wait(LIMIT) == 1
    assert "now asks for abs over 3 elements with seed a list of 3" in other_seeds.stderr.read().decode()
    for name in ("work/1", "work/2"):
        kf.forget(name)


def test_R5_a_program_is_refused_that_would_be_a_run_beside_another_one(on_cluster, checkpoint, tmp_path):
    first = run(on_cluster, checkpoint.port, tmp_path)
    visit = checkpoint.next()
    second = run(on_cluster, 0, tmp_path)
    assert second.wait(LIMIT) == 1
    assert f"Run 'work' goes on already, in process {first.pid}: two" in second.stderr.read().decode()
    visit.go()
    assert first.wait(LIMIT) == 0, first.stderr.read()
    for name in ("work/1", "work/2"):
        kf.forget(name)


def test_R5_a_run_that_comes_to_another_map_is_refused(on_cluster, checkpoint, tmp_path):
    assert run(on_cluster, 0, tmp_path, RUN.replace("index == 30", "False")).wait(LIMIT) == 0
    changed = run(on_cluster, 0, tmp_path, RUN.replace("range(20), seed=True", "range(21), seed=True"))
    assert changed.wait(LIMIT) == 1
    said = changed.stderr.read().decode()
    assert "began its map 'work/1' as note over 20 elements with seed True" in said
    assert "now asks for note over 21 elements" in said and "kf.forget" in said
    for name in ("work/1", "work/2"):
        kf.forget(name)


def test_R5_a_run_whose_client_died_while_handing_over_goes_on_handing_over(on_cluster, checkpoint, tmp_path):
    text = """
import sys
from pathlib import Path
import kubefuture as kf
from tests.faults.checkpoint import reach
kf.plan("cluster", connection=Path(sys.argv[1]))
port, folder = int(sys.argv[2]), Path(sys.argv[3])

def inputs():
    yield from range(50)
    if not (folder / "again").exists():
        reach(port)
    yield from range(50, 100)

(folder / "results").write_text(repr(kf.map(abs, inputs())))
"""
    program = run(on_cluster, checkpoint.port, tmp_path, text)
    checkpoint.next()
    program.kill()
    program.wait()
    (tmp_path / "again").touch()
    program = run(on_cluster, checkpoint.port, tmp_path, text)
    assert program.wait(LIMIT) == 0, program.stderr.read()
    assert eval((tmp_path / "results").read_text()) == list(range(100))
    kf.forget("work/1")
