"""plan("dask"): what is its own, on workers of this program and on a cluster that is there already."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time

import dask
import joblib
import kubefuture as kf
import numpy as np
import pytest
from kubefuture.core.context import Element, inside
from kubefuture.errors import ClusterError, NoAnswerError, PlanError

from tests.faults.checkpoint import reach
from tests.faults.programs import environment
from tests.faults.waiting import LIMIT, eventually

KINDS = ["dask"]


def draw(x, rng):
    return rng.random(), np.random.random(), random.random()


def test_submitting_never_waits_and_as_many_run_at_once_as_there_are_workers(plan, checkpoint):
    futures = [kf.future(reach, checkpoint.port, number) for number in range(20)]
    visits = checkpoint.take(2)
    assert len({visit.pid for visit in visits}) == 2 and not checkpoint.anybody
    checkpoint.open()
    for visit in visits:
        visit.go()
    assert kf.value(futures) == [""] * 20


TWICE = """
import logging, sys
import kubefuture as kf
if sys.argv[1:]:
    logging.basicConfig(level=logging.DEBUG)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
for _ in range(2):
    kf.plan("dask", workers=1)
    assert kf.map(abs, [-1]) == [1]
kf.plan("sequential")
log = logging.getLogger("distributed")
print(sys.argv[1:] or [handler.level for handler in log.handlers], log.propagate)
"""


@pytest.mark.parametrize("shown", [[], ["all"]])
def test_dasks_own_log_is_not_shown_by_a_plan_that_follows_another(plan, shown):
    done = subprocess.run(
        [sys.executable, "-c", TWICE, *shown],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert done.returncode == 0 and "distributed" not in done.stderr
    assert done.stdout == f"{shown or [0]} {bool(shown)}\n", "and it is as it was, afterwards"


def test_R11_a_single_future_goes_before_the_next_chunk_of_a_map(plan, checkpoint):
    everything = kf.imap(lambda index, port=checkpoint.port: reach(port, index), range(40))
    here = checkpoint.take(2)
    future = kf.future(reach, checkpoint.port, "future")
    order = []
    while "future" not in order:
        for visit in here:
            visit.go()
        here = checkpoint.take(2)  # one of each worker: neither runs ahead of the other
        order += [visit.label for visit in here]
    for visit in here:
        visit.go()
    checkpoint.open()
    assert future.result() == "" and len(list(everything)) == 40
    assert len(order) <= 8, "it waited for what Dask had already, and for nothing else"


def test_R24_a_worker_that_is_killed_changes_no_bit_and_costs_no_result(plan, checkpoint):
    port = checkpoint.port

    def draw_and_stop(x, rng):
        first = rng.random(), np.random.random(), random.random()
        if x == 5:
            reach(port)
        return *first, rng.random(), np.random.random(), random.random()

    results = kf.imap(draw_and_stop, range(12), seed=3, chunk_size=4)
    checkpoint.next().kill()
    checkpoint.next().go()
    found = list(results)
    assert [row[:3] for row in found] == kf.map(draw, range(12), seed=3)
    eventually(lambda: len(plan.slots()) == 2, "a worker in its place")


def test_threads_that_an_element_starts_are_inside_it_too(plan):
    def outer(_):
        from threading import Thread

        found = []
        thread = Thread(target=lambda: found.append((kf.n_workers(), kf.map(abs, [-1]))))
        thread.start()
        thread.join()
        return found

    assert kf.map(outer, [0]) == [[(1, [1])]]


def test_an_element_that_forks_leaves_no_second_worker(plan):
    def fork(_):
        child = os.fork()
        if child == 0:
            return None
        return os.waitpid(child, 0)[1]

    assert kf.map(fork, [0, 1]) == [0, 0]


def test_leaving_python_arrives_as_itself_whatever_dask_does_to_exceptions(plan):
    with pytest.raises(SystemExit) as caught:
        kf.map(lambda code: sys.exit(code), [3])
    assert caught.value.code == 3


def test_scaling_starts_and_ends_workers(plan):
    kf.scale(3)
    assert kf.n_workers() == 3 and len(plan.slots()) == 3
    kf.scale(1)
    assert kf.n_workers() == 1 and kf.map(abs, [-1]) == [1]
    eventually(lambda: len(plan.slots()) == 1, "the end of the others")


def test_a_script_without_a_main_guard_runs_once_and_leaves_nothing(plan, tmp_path):
    """Dask's own local cluster would run it again in each worker."""
    script = tmp_path / "script.py"
    script.write_text(
        "import kubefuture as kf\n"
        "print('once')\n"
        "from helper import double\n"
        "print(kf.map(double, [1, 2]), kf.map(lambda x: double(x), [3]))\n"
    )
    (tmp_path / "helper.py").write_text("def double(x):\n    return 2 * x\n")
    done = plan.run(script, tmp_path)
    assert (done.stdout, done.returncode) == ("once\n[2, 4] [6]\n", 0), done.stderr
    assert "Traceback" not in done.stderr


def test_a_cluster_that_is_there_is_used_left_alone_and_not_scaled(plan):
    """Its workers may have several threads: one element runs at a time in each, since it sets global generators."""
    from distributed import LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=2, dashboard_address="127.0.0.1:0") as cluster:
        with inside(
            Element()
        ):  # where every plan is sequential; another one would end the workers of this one
            expected = kf.map(draw, range(30), seed=5)
        for address in (cluster.scheduler_address, cluster):
            before = kf.plan("dask", address=address)
            assert kf.n_workers() == 2
            assert kf.map(draw, range(30), seed=5) == expected
            with pytest.raises(PlanError, match="not kubefuture's to scale"):
                kf.scale(3)
            kf.plan(before)
        with cluster.get_client() as client:
            assert client.submit(abs, -1).result() == 1


def test_large_data_that_a_dead_worker_had_is_sent_again(plan, tmp_path):
    mark, data = tmp_path / "mark", np.ones(1 << 18)

    def end_once(number):
        if number == 3 and not mark.exists():
            mark.touch()
            os._exit(1)
        time.sleep(0.05)  # so that Dask has chunks whose data is lost
        return data[number] + number

    assert kf.map(end_once, range(20), chunk_size=1) == [number + 1 for number in range(20)]


def test_workers_that_are_there_have_each_programs_own_modules(plan, tmp_path):
    """Another project's that are called the same are not taken, and edits are seen."""
    from distributed import LocalCluster

    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address="127.0.0.1:0") as cluster:
        said = []
        for project, version in [("one", 1), ("two", 2), ("one", 3)]:
            folder = tmp_path / project
            (folder / "steps").mkdir(parents=True, exist_ok=True)
            (folder / "steps/__init__.py").write_text("")
            (folder / "steps/later.py").write_text(f"NUMBER = {version}\n")
            (folder / "steps/first.py").write_text(
                f"class Got(Exception):\n    pass\n\n\ndef get(_):\n    from .later import NUMBER\n"
                f"    return Got({version}, NUMBER)\n"
            )
            script = folder / "script.py"
            script.write_text(
                f"import kubefuture as kf\n"
                f"kf.plan('dask', address={cluster.scheduler_address!r})\n"
                f"from steps.first import Got, get\n"
                f"got, = kf.map(get, [0])\n"
                f"print(got.args, type(got) is Got)\n"
            )
            done = plan.run(script, folder)
            assert done.returncode == 0, done.stderr
            said.append(done.stdout)
    assert said == [f"({version}, {version}) True\n" for version in (1, 2, 3)]


def test_workers_that_are_threads_of_this_program_are_refused(plan):
    from distributed import LocalCluster

    with (
        LocalCluster(n_workers=1, processes=False, dashboard_address="127.0.0.1:0") as cluster,
        pytest.raises(PlanError, match="processes=True"),
    ):
        kf.plan("dask", address=cluster)
    assert kf.map(abs, [-1]) == [1]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"address": "tcp://x:1", "workers": 2}, "leave workers= out"),
        ({"workers": 0}, "workers=0"),
        ({"threads_per_slot": 0}, "threads_per_slot=0"),
    ],
)
def test_a_dask_plan_that_cannot_be_is_refused_and_changes_nothing(plan, arguments, reason):
    with pytest.raises(PlanError, match=reason):
        kf.plan("dask", **arguments)
    assert kf.map(abs, [-1]) == [1]


def test_an_address_where_nobody_answers_is_an_error_that_says_what_to_start(plan, monkeypatch):
    monkeypatch.setattr("kubefuture.backends.dask_client._CONNECT_SECONDS", 1)
    with pytest.raises(NoAnswerError, match="dask scheduler"):
        kf.plan("dask", address="tcp://127.0.0.1:9")
    assert issubclass(NoAnswerError, ClusterError)


def test_without_dask_the_error_says_what_to_install():
    program = "import sys; sys.modules['distributed'] = None\nimport kubefuture as kf\nkf.plan('dask')\n"
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment(), capture_output=True, text=True, timeout=LIMIT
    )
    assert "packages.pip in values.yaml" in done.stderr and "pip install distributed" in done.stderr


def test_dask_is_loaded_by_its_plan_only():
    program = "import sys, kubefuture as kf\nkf.map(abs, [1])\nprint('distributed' in sys.modules)\n"
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment(), capture_output=True, text=True, timeout=LIMIT
    )
    assert done.stdout == "False\n"


@pytest.fixture
def patient_dask():
    """On a busy machine Dask may need longer than its own 30 s; then data is given to it once more."""
    with dask.config.set({f"distributed.comm.timeouts.{what}": f"{LIMIT} s" for what in ("connect", "tcp")}):
        yield


def test_R26_data_that_several_functions_refer_to_is_given_to_dask_once(
    plan, patient_dask, checkpoint, monkeypatch
):
    client = plan.plan.backend()._client
    scatter, sizes = client.scatter, []

    def noted(data, **options):
        sizes.append(len(data) if isinstance(data, bytes) else 0)
        return scatter(data, timeout=LIMIT, **options)

    def total(port, everybodys, own):
        if port:
            reach(port)
        return float(everybodys.sum() + own.sum())

    monkeypatch.setattr(client, "scatter", noted)
    everybodys, owns = np.ones(1 << 19), [np.full(1 << 18, float(x)) for x in range(6)]
    with joblib.parallel_config(backend="kubefuture"):
        results = joblib.Parallel(batch_size=1, pre_dispatch="all", return_as="generator_unordered")(
            joblib.delayed(total)(0 if x else checkpoint.port, everybodys, own) for x, own in enumerate(owns)
        )
    visit = checkpoint.next()
    assert sorted(next(results) for _ in range(5)) == [float((1 << 19) + (x << 18)) for x in range(1, 6)]
    visit.go()
    assert list(results) == [float(1 << 19)]
    assert sizes.count(everybodys.nbytes) == 1 and sizes.count(owns[0].nbytes) == 6
