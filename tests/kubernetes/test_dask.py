"""`engine: dask`: Dask's scheduler and workers from the same chart and image, and the same scripts on them.

The tests share one project, in the order in which they stand here; the last one takes it down.
"""

from __future__ import annotations

import re
import secrets
import subprocess
from collections.abc import Iterator

import pytest
from kubefuture.core.connection import Connection
from kubefuture.project.folder import Project

from tests.kubernetes.lab import Lab, Study
from tests.kubernetes.test_faults import delete, held
from tests.kubernetes.test_looking import background, read, short, until
from tests.kubernetes.test_story import SEEDED, namespaces, saved
from tests.kubernetes.test_strangers import REACH, TRY, run_pod
from tests.project import kit


@pytest.fixture(scope="module")
def shared_dask(
    lab: Lab, installed: Project, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Study, str]]:
    """A project with two workers of Dask's, and what `make up` said."""
    folder = tmp_path_factory.mktemp("dask") / f"dask-{secrets.token_hex(3)}"
    study = lab.study(folder, installed, lab.values(2, "engine: dask\n"))
    try:
        yield study, study.kubefuture("up").stdout
    finally:
        study.kubefuture("down", status=None)
        study.kubectl("delete", "namespace", study.namespace, "--ignore-not-found", "--wait=false")


@pytest.fixture
def dask(shared_dask: tuple[Study, str]) -> Study:
    """The project, with its two workers ready, whatever the test before did to it."""
    study, _ = shared_dask
    study.settle()
    return study


def test_the_same_script_gives_the_same_bits_on_pods_that_are_as_safe(dask, shared_dask):
    assert "2 workers are ready" in shared_dask[1]
    assert "is installed" not in dask.kubefuture("up").stdout
    said = dask.run(SEEDED + "print(kf.plan())\n")
    assert "equal 2" in said and "plan('dask', connection=" in said
    assert re.search(r"cores \{1\} \{'1'\}", said)
    nodes = set(re.findall(r"'([^']+)'", said.split("cores")[0]))
    assert nodes and nodes <= {pod["spec"]["nodeName"] for pod in dask.pods("worker")}
    dask.shows("engine     dask", "2 wanted, 2 connected, 0 busy", "page  ")
    logs = dask.kubefuture("logs").stdout
    for pod in (*dask.pods("worker"), *dask.pods("scheduler")):
        assert short(pod) in logs
    assert "handshake failed" not in logs, "what probes is not worth a line"

    assert dask.get("persistentvolumeclaims,roles")["items"] == []
    for pod in (*dask.pods("worker"), *dask.pods("scheduler")):
        assert pod["spec"]["automountServiceAccountToken"] is False
    secret = Connection.load(dask.project.connection_file).private_key.splitlines()[1]
    for pod in dask.names("worker"):
        # One that is listed may have ended before it is read.
        reading = "cat /proc/[0-9]*/cmdline 2>/dev/null; true"
        commands = dask.kubectl("exec", pod, "--", "sh", "-c", reading)
        assert "dask_worker" in commands and secret not in commands
    helm = ["helm", "test", dask.release, "--kube-context", dask.context, "--namespace", dask.namespace]
    done = subprocess.run([*helm, "--logs", "--timeout=20m"], capture_output=True, text=True, timeout=1500)
    assert "2 workers are connected" in done.stdout, done.stderr


def test_a_script_that_names_the_cluster_runs_unchanged_and_names_keep_nothing(dask):
    said = dask.run(
        "import kubefuture as kf\n"
        "kf.plan('cluster')\n"
        "print(kf.plan().kind, kf.map(abs, [-1], name='a-name'))\n"
        "try: kf.attach('a-name')\n"
        "except kf.KubefutureError as error: print(error)\n"
    )
    assert "dask [1]" in said and "no named maps" in said


ONCE = """
import kubefuture as kf, time
from pathlib import Path
from kubefuture.client.dask_control import connect_dask
from kubefuture.core.connection import Connection
def once(i):
    from distributed import get_worker
    get_worker().log_event("ran", i)
    time.sleep(0.3)
    return i
done = []
for one in kf.imap(once, range(100), chunk_size=1):
    done.append(one)
    if len(done) == 4: print("going", flush=True)
assert done == list(range(100))
client = connect_dask(Connection.load(Path(".kubefuture/connection.json")), 60)
ran = sorted(event for _, event in client.get_events("ran"))
print("once" if ran == done else [one for one in done if ran.count(one) != 1], flush=True)
while not Path("scaled-to-one").exists() or kf.n_workers() != 1: time.sleep(0.1)
kf.scale(2)
print("scaled", kf.n_workers())
"""


def test_the_page_for_browsers_is_dasks_own(dask):
    with background(dask, "forward") as forward:
        address = until(forward, "shows Dask's own dashboard")[-1].split()[0]
        assert address.endswith("/status")
        dask.wait(lambda: "Dask" in read(address), "Dask's page answers")


def test_scaling_while_work_runs_loses_no_element_and_runs_none_twice(dask):
    with dask.running(ONCE) as running:
        running.until("going")
        dask.kubefuture("scale", "4")
        dask.shows("4 connected")
        dask.kubefuture("scale", "1")
        (dask.project.folder / "scaled-to-one").touch()
        said = running.rest()
    assert "once" in said and "scaled 2" in said


@pytest.mark.parametrize("how", [(), ("--grace-period=0", "--force")], ids=["told", "killed"])
def test_a_deleted_worker_pod_costs_no_results(dask, how):
    with held(dask) as running:
        delete(dask, dask.names("worker")[:1], *how)
        assert "identical" in running.rest()


def test_a_deleted_scheduler_pod_costs_no_results_of_a_program_that_lives(dask):
    with held(dask) as running:
        delete(dask, dask.names("scheduler"), "--grace-period=0", "--force")
        assert "identical" in running.rest()


def test_a_cut_forward_costs_only_time(dask):
    with held(dask) as running:
        running.cut_forward()
        assert "identical" in running.rest()


def test_an_element_that_takes_too_much_memory_is_named_and_the_others_go_on(dask):
    said = dask.run(
        """
import kubefuture as kf
def greedy(i):
    return len(b"x" * (1 << 30)) if i == 3 else i
found = kf.options(on_error="return", chunk_size=1).map(greedy, range(6))
print("others", [one for one in found if isinstance(one, int)])
print("this one", type(found[3]).__name__, found[3])
"""
    )
    assert "others [0, 1, 2, 4, 5]" in said and "this one PoisonError" in said


CLIENT = (
    REACH
    + """
import ssl, sys
from kubefuture.core.certificate import make_certificate
from kubefuture.core.dask_security import dask_security
from kubefuture.pod.dask_log import log_as_we_do
import distributed
log_as_we_do()
certificate, key = make_certificate(mutual=True)
security = dask_security(certificate, key)
security.tls_ca_file = sys.argv[1]
for place in sys.argv[2:]:
    print(reach(place, 300))  # the network lets a new pod in a little later than it begins
    for scheme, keys in [("tls", security), ("tcp", None)]:
        reason = TimeoutError()
        while isinstance(reason, TimeoutError):  # then nobody has answered yet
            try:
                distributed.Client(f"{scheme}://{place}", security=keys, timeout=5)
                print("IN", place)
                break
            except OSError as error:
                reason = error.__cause__ or error
        else:
            print("refused", place, type(reason).__name__)
"""
)


def test_strangers_reach_nothing_and_who_has_the_certificate_but_not_its_key_is_not_let_in(dask):
    scheduler = dask.pods("scheduler")[0]["status"]["podIP"]
    workers = [pod["status"]["podIP"] for pod in dask.pods("worker")]
    places = [f"{scheduler}:7000", f"{scheduler}:8787", *(f"{worker}:7001" for worker in workers)]
    said = run_pod(dask, "stranger", TRY, *places)
    assert said.count("closed") == len(places) and "REACHED" not in said, said

    certificate = Connection.load(dask.project.connection_file).certificate
    labels = {
        "kubefuture/peer": "true",
        "app.kubernetes.io/name": "kubefuture",
        "app.kubernetes.io/instance": dask.release,
    }
    said = run_pod(dask, "speaker", CLIENT, certificate, f"{dask.release}-scheduler:7000", labels=labels)
    assert said.count("refused") == 2 and "IN" not in said, said
    dask.wait(lambda: "handshake failed" in dask.kubefuture("logs", "scheduler").stdout, "it has said so")


def test_rotating_gives_everybody_a_new_key_and_up_brings_the_workers_back_to_their_number(dask):
    dask.kubefuture("scale", "1")
    before = Connection.load(dask.project.connection_file)
    said = dask.kubefuture("rotate").stdout
    after = Connection.load(dask.project.connection_file)
    assert before.private_key != after.private_key and before.certificate != after.certificate
    assert "2 workers are ready" in said
    assert "equal 2" in dask.run(SEEDED)
    dask.kubefuture("scale", "1")
    assert "2 workers instead of what `make scale` had set" in dask.kubefuture("up").stdout


def test_another_engine_is_refused_until_this_one_is_down(dask):
    dask.set("engine: dask", "engine: native")
    try:
        for command in ("up", "rotate"):
            sentence = kit.one_sentence(dask.kubefuture(command, status=1))
            assert "up with the engine dask" in sentence and "first `make down`" in sentence
    finally:
        dask.set("engine: native", "engine: dask")


def test_down_leaves_nothing(dask):
    assert "Everything is down. Nothing is left." in dask.kubefuture("down").stdout
    assert namespaces(dask) == []
    assert not dask.project.connection_file.exists()
    # Those of a scheduler and two workers, and of one that was still leaving.
    assert len(saved(dask.project.state / "existing" / "logs")) >= 3
