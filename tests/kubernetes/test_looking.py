"""Looking at a cluster: status, logs, a shell in a pod, and the page for browsers."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.error import URLError

from tests.kubernetes.test_faults import KILL_SUPERVISOR, let_go
from tests.project import kit


def short(pod):
    component = pod["metadata"]["labels"]["app.kubernetes.io/component"]
    return f"{component}-{pod['metadata']['name'].rpartition('-')[2]}"


@contextmanager
def background(study, *arguments) -> Iterator[subprocess.Popen[str]]:
    """Runs a command in it that does not end by itself."""
    with subprocess.Popen(
        [sys.executable, "-I", "-m", "kubefuture", *arguments],
        cwd=study.project.folder,
        env=kit.clean_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def ready_worker(study):
    return study.wait(lambda: study.ready("worker"), "a worker is ready")[0]


def until(process, pattern):
    """Reads what it says up to a line in which the pattern is found."""
    seen = []
    for line in process.stdout:
        seen.append(line)
        if re.search(pattern, line):
            return seen
    raise AssertionError(f"ended before {pattern!r}:\n{''.join(seen)}")


def read(address):
    try:
        with urllib.request.urlopen(address, timeout=20) as answer:
            return answer.read().decode()
    except (URLError, OSError):
        return ""


def test_the_page_is_at_one_address_though_scheduler_and_forward_come_and_go(study):
    with background(study, "forward") as forward:
        address = until(forward, "shows the workers")[-1].split()[0]

        def connected():
            told = json.loads(read(f"{address}status.json") or "{}")
            return told if told and told["workers"]["connected"] == 2 else None

        told = study.wait(connected, "the page shows both workers")
        assert {node["name"] for node in told["nodes"]} == {
            pod["spec"]["nodeName"] for pod in study.pods("worker")
        }
        study.shows(address)
        for path in ("", "status.json", "page.js"):
            assert study.token() not in read(address + path)

        before = told["scheduler"]["host"]
        study.kubectl("delete", "pod", before, "--wait=false")
        study.wait(
            lambda: '"host"' in (told := read(f"{address}status.json")) and before not in told,
            "the page of another pod is at the same address",
        )
        forward.send_signal(signal.SIGINT)
        said = forward.stdout.read()
        assert forward.wait(300) == 0
        assert "open again" in said


def test_nobody_in_the_cluster_reaches_the_page(shared):
    """It listens for its own pod alone: a worker, which may talk to the scheduler, gets nowhere."""
    address = shared.pods("scheduler")[0]["status"]["podIP"]
    look = f"import socket; print(socket.socket().connect_ex(({address!r}, {{}})))"
    worker = ready_worker(shared)
    asked = [
        shared.kubectl("exec", worker, "--", "timeout", "5", "python", "-c", look.format(8080), check=False)
    ]
    assert asked[0].strip() != "0"
    assert shared.kubectl("exec", worker, "--", "python", "-c", look.format(7000)).strip() == "0"


def test_status_says_in_a_sentence_that_the_scheduler_is_not_there(study):
    study.kubectl("scale", "deployment", f"{study.release}-scheduler", "--replicas=0")
    try:
        of_it = f"app.kubernetes.io/instance={study.release},app.kubernetes.io/component=scheduler"
        study.wait(lambda: not study.get("pods", "--selector", of_it)["items"], "it is gone")

        def told() -> subprocess.CompletedProcess[str] | None:
            done = study.kubefuture("status", status=1)
            ready = "2 wanted, 2 ready" in done.stdout
            return done if ready and "The scheduler is not ready" in done.stderr else None

        # A pod whose kubelet is slow is not ready for a while, and a Deployment counts its pods a little later.
        done = study.wait(told, "it says that the workers are ready, and the scheduler is not")
        assert "scheduler  not there" in done.stdout
        assert "The scheduler is not ready" in kit.one_sentence(done)
    finally:
        study.kubectl("scale", "deployment", f"{study.release}-scheduler", "--replicas=1")
    study.wait(lambda: study.ready("scheduler"), "it is back")


def test_logs_hold_all_pods_follow_new_ones_and_tell_how_dead_ones_ended(study):
    shorts = {short(pod) for pod in [*study.pods("worker"), *study.pods("scheduler")]}
    logs = study.kubefuture("logs", "-n", "5000").stdout
    assert shorts <= set(logs.split())
    assert study.token() not in logs
    times = re.findall(r"^\S+ +[|x] (\S+Z)", logs, re.MULTILINE)
    assert times == sorted(times) and len(times) == len(logs.splitlines())
    only = study.kubefuture("logs", "scheduler").stdout
    assert "scheduler-" in only and "worker-" not in {line.split("-")[0] + "-" for line in only.splitlines()}

    with background(study, "logs", "-f", "-n", "1") as follow:
        until(follow, "")
        study.shows()
        until(follow, "connected control=")  # from now on it follows
        old = ready_worker(study)
        study.kubectl("delete", "pod", old, "--wait=false")
        seen = until(follow, rf"^worker-{old.rpartition('-')[2]} +\| \S+ leaving")
        study.wait(lambda: len(set(study.ready("worker")) - {old}) == 2, "another worker is there")
        [new] = [one for one in study.names("worker") if f"worker-{one.rpartition('-')[2]}" not in shorts]
        # It may have said so before the old one has said that it leaves.
        started = rf"^worker-{new.rpartition('-')[2]} +\| \S+ slot-started"
        if not any(re.search(started, line) for line in seen):
            until(follow, started)

    study.kubectl("exec", new, "--", "sh", "-c", KILL_SUPERVISOR, check=False)

    def died() -> bool:
        return bool(
            re.search(rf"^worker-{new.rpartition('-')[2]} +x ", study.kubefuture("logs").stdout, re.M)
        )

    study.wait(died, "what its container had said before is there")
    study.wait(lambda: len(study.ready("worker")) == 2, "it is ready again")
    assert re.search(rf"worker-{new.rpartition('-')[2]} on \S+: \w+, restarted", study.shows())


def test_a_shell_opens_in_a_workers_pod(shared):
    worker = ready_worker(shared)
    command = [
        sys.executable,
        "-I",
        "-m",
        "kubefuture",
        "shell",
        "--where",
        f"worker-{worker.rpartition('-')[2]}",
    ]
    done = subprocess.run(
        command,
        cwd=shared.project.folder,
        input="hostname; id -u\n",
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.stdout.split() == [worker, "10001"]
    sentence = kit.one_sentence(shared.kubefuture("shell", "--where", "nobody", status=1))
    assert "There is no nobody" in sentence and short(shared.pods("worker")[0]) in sentence


def test_an_api_server_that_is_away_is_one_sentence(shared, tmp_path):
    away = tmp_path / "away"
    config = json.loads(shared.kubectl("config", "view", "--raw", "--flatten", "--output", "json"))
    for one in config["clusters"]:
        one["cluster"]["server"] = "https://127.0.0.1:9"
    away.write_text(json.dumps(config))
    away.chmod(0o600)
    [record] = shared.project.records.glob("*.yaml")
    kept = {path: path.read_text() for path in (record, shared.project.connection_file)}
    try:
        for path, text in kept.items():
            path.write_text(re.sub(r'(kubeconfig"?: "?)[^",\n]*', rf"\g<1>{away}", text))
        for command in (["status"], ["logs"], ["forward"], ["shell", "--where", "worker"]):
            done = shared.kubefuture(*command, status=1, KUBECONFIG=os.devnull)
            assert "cannot be reached" in kit.one_sentence(done)
    finally:
        for path, text in kept.items():
            path.write_text(text)


LEFT = """
import kubefuture as kf, pathlib, time
def slow(i):
    while not pathlib.Path("/tmp/go-left").exists():
        time.sleep(0.05)
    return i
print("going", flush=True)
print(kf.map(slow, range(60), name="left", chunk_size=1))
"""


def traced(study, words):
    """A pod's log is written a little later than its words are said."""
    study.wait(lambda: words in study.kubefuture("trace", "left").stdout, f"the trace says {words}")


def test_ctrl_c_leaves_named_work_to_the_workers_and_says_so(study):
    with background(study, "run", study.script(LEFT)) as running:
        assert running.stdout is not None
        while "going" not in (line := running.stdout.readline()):
            assert line
        study.wait(lambda: re.search(r"\b[1-9]\d* running", study.kubefuture("status").stdout), "it is begun")
        running.send_signal(signal.SIGINT)
        said, _ = running.communicate(timeout=600)
    let_go(study, "left")
    assert "interrupted; the map 'left' goes on: kf.attach('left') has its results" in said
    traced(study, "map opened")
    said = study.run(
        "import kubefuture as kf\nprint(kf.attach('left') == list(range(60)))\nkf.forget('left')\n"
    )
    assert "True" in said
    traced(study, "map forgotten")
