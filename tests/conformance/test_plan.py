"""plan: returned, scoped, restorable; bad ones are refused; the environment decides when nobody else does."""

from __future__ import annotations

import subprocess
import sys

import kubefuture as kf
import numpy as np
import pytest
from kubefuture.errors import ClusterError, NotUpError, PlanError

from tests.faults.checkpoint import reach
from tests.faults.programs import environment
from tests.faults.waiting import LIMIT, eventually


def test_plan_returns_the_one_before_which_can_be_put_back(plan):
    before = kf.plan("sequential")
    assert before is plan.plan and plan.kind in repr(before)
    assert kf.n_workers() == 1
    assert "sequential" in repr(kf.plan(before))
    assert kf.map(abs, [-1]) == [1]
    assert kf.n_workers() == (1 if plan.kind == "sequential" else 2)


def test_a_plan_can_be_scoped(plan):
    with kf.plan("sequential"):
        assert kf.n_workers() == 1
        with pytest.raises(ZeroDivisionError), kf.plan("local", workers=1):
            1 / 0  # noqa: B018
        assert "sequential" in repr(kf.plan(plan.plan))
    assert kf.plan(plan.plan) is plan.plan


def test_the_slots_of_a_plan_end_with_it(pool):
    if pool.kind != "local":
        return
    slots = pool.slots()
    with kf.plan("local", workers=1):
        eventually(lambda: not set(slots) & set(pool.slots()), "the end of the first plan's slots")
        assert kf.map(abs, [-1]) == [1]
        eventually(lambda: len(pool.slots()) == 1, "the end of slots of earlier plans")
    assert kf.map(abs, [-1]) == [1]


def test_what_runs_under_the_plan_before_still_finishes(pool, checkpoint):
    future = kf.future(reach, checkpoint.port)
    visit = checkpoint.next()
    with kf.plan("sequential"):
        visit.go("finished")
        assert future.result() == "finished"


def test_plans_that_cannot_be_are_refused_and_change_nothing(plan):
    for arguments, reason in [
        (("multicore",), "no plan 'multicore'; there are sequential, local, cluster, dask"),
        (("local", 0), "workers=0"),
        (("local", -1), "workers=-1"),
        (("local", 1.5), "workers=1.5"),
        (("local", True), "workers=True"),
        (("local", "2"), "workers='2'"),
        (("sequential", 2), "takes no workers"),
        (("cluster", 2), "takes no workers"),
    ]:
        with pytest.raises(PlanError, match=reason):
            kf.plan(arguments[0], workers=arguments[1] if len(arguments) > 1 else None)
    for threads in (0, "2", 1.5, True):
        with pytest.raises(PlanError, match=f"threads_per_slot={threads!r}"):
            kf.plan("local", threads_per_slot=threads)
    with pytest.raises(PlanError, match="settings of its own"):
        kf.plan(plan.plan, workers=3)
    assert kf.plan(plan.plan) is plan.plan


def test_numbers_may_be_of_numpys_types(plan):
    with kf.plan("local", workers=np.int64(2), threads_per_slot=np.int8(1)):
        assert kf.n_workers() == 2 and repr(kf.plan()) == "plan('local', workers=2)"
        options = kf.options(
            chunk_size=np.int64(2), retries=np.int32(0), timeout=np.float32(60), task_timeout=np.int64(60)
        )
        assert options.map(abs, [-1, 2, -3]) == [1, 2, 3]
        kf.scale(np.int64(1))
        assert kf.n_workers() == 1
        with pytest.raises(PlanError, match="whole number"):
            kf.scale(np.float64(2))


@pytest.mark.parametrize(
    "wrong",
    [
        {"timeout": float("nan")},
        {"timeout": True},
        {"timeout": "5"},
        {"task_timeout": float("nan")},
        {"task_timeout": 0},
        {"retries": 1.0},
        {"retries": False},
        {"chunk_size": np.float64(2)},
        {"progress": 5},
        {"progress": ["bar"]},
        {"label": 5},
        {"label": b"text"},
    ],
)
def test_options_that_cannot_be_are_refused(plan, wrong):
    (name, value), *_ = wrong.items()
    with pytest.raises(PlanError, match=rf"^{name}=.*; it can be|^{name}=.* is no .*number") as caught:
        kf.options(**wrong)
    assert repr(value) in str(caught.value)


def test_a_cluster_that_is_not_there_is_an_error_that_names_make_up(plan, tmp_path):
    with pytest.raises(NotUpError, match="make up"):
        kf.plan("cluster", connection=tmp_path / "connection.json")
    assert kf.plan(plan.plan) is plan.plan
    assert kf.map(abs, [-1]) == [1]


PROGRAM = """
import kubefuture as kf
import numpy as np
print(repr(kf.plan("sequential")).partition(",")[0])
"""


def run(folder, program=PROGRAM, **variables):
    """A fresh program's stdout and the last line of its stderr."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    return done.stdout.strip(), (done.stderr.strip().splitlines() or [""])[-1]


def test_the_environment_chooses_the_plan_when_nobody_else_does(plan, tmp_path):
    assert run(tmp_path, "import kubefuture as kf; print(kf.map(abs, [-2]))", **plan.environment)[0] == "[2]"
    assert run(tmp_path, **plan.environment)[0].startswith(f"plan('{plan.kind}'")


@pytest.mark.parametrize("wish", ["nonsense", "local:0", "local:x", "local:-1", "sequential:3"])
def test_an_environment_that_asks_for_what_cannot_be_is_an_error(wish, tmp_path):
    said, error = run(tmp_path, KUBEFUTURE_PLAN=wish)
    assert said == "" and "PlanError" in error


def test_without_a_word_the_plan_is_sequential(tmp_path):
    assert run(tmp_path)[0] == "plan('sequential')"


USES_IT = "import kubefuture as kf; kf.map(print, ['ran'])"


def test_a_connection_file_that_is_not_there_is_an_error_never_sequential(tmp_path):
    said, error = run(tmp_path, USES_IT, KUBEFUTURE_CONNECTION=str(tmp_path / "connection.json"))
    assert said == "" and "NotUpError" in error and "make up" in error


def test_a_cluster_that_is_gone_is_an_error_never_sequential(plan, tmp_path):
    if plan.cluster is None:
        return
    from tests.faults.programs import Cluster

    with Cluster(0) as gone:
        gone.kill_scheduler()
        said, error = run(tmp_path, USES_IT, KUBEFUTURE_CONNECTION=str(gone.connection))
        assert said == "" and "NoAnswerError" in error and "make up" in error
        with pytest.raises(ClusterError, match="make up"):
            kf.plan("cluster", connection=gone.connection)


def test_the_projects_own_cluster_is_found_from_any_folder_of_it(plan, tmp_path):
    if plan.cluster is None:
        return
    (tmp_path / ".git").mkdir()
    (tmp_path / ".kubefuture").mkdir()
    (tmp_path / ".kubefuture" / "connection.json").write_bytes(plan.cluster.connection.read_bytes())
    (tmp_path / ".kubefuture" / "connection.json").chmod(0o600)
    (tmp_path / "analysis" / "deep").mkdir(parents=True)
    assert run(tmp_path / "analysis" / "deep")[0].startswith("plan('cluster'")


def test_without_a_kind_the_present_plan_is_told_and_nothing_changes(plan):
    before = kf.n_workers()
    assert kf.plan().kind == plan.kind and kf.n_workers() == before
    assert kf.map(lambda _: kf.plan().kind, [1]) == ["sequential"]
    with pytest.raises(PlanError, match="Which plan"):
        kf.plan(workers=2)
