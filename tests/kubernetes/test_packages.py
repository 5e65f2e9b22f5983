"""The packages of values.yaml are where the work is: in the image, or installed by the pods themselves."""

from __future__ import annotations

import re

from kubefuture.client.control import fetch_status
from kubefuture.core.connection import Connection
from kubefuture.kube import registry

from tests import needs
from tests.kubernetes.test_story import SEEDED, namespaces, recorded
from tests.project import kit

WHERE = """
import kubefuture as kf, os, pathlib, time
def where(i):
    if i == 0:
        pathlib.Path("/tmp/begun").touch()
        while not pathlib.Path("/tmp/go").exists():
            time.sleep(0.05)
    return os.environ["HOSTNAME"]
print("going", flush=True)
kf.map(where, range(12), name="where", chunk_size=1)
"""

AFTERWARDS = """
import kubefuture as kf, subprocess
def packaged(i):
    import colorzero
    return colorzero.Color("red").html, subprocess.run(["hello"], capture_output=True, text=True).stdout
print("packaged", kf.map(packaged, [0]))
print("hosts", *kf.attach("where"))
"""


def test_changed_packages_roll_the_workers_and_named_work_is_neither_lost_nor_repeated(make):
    study = make()
    study.kubefuture("up")
    [old] = study.names("worker")
    with study.running(WHERE) as running:
        running.until("going")
        begun = ("exec", old, "--container", "worker", "--", "find", "/tmp/begun")
        study.wait(lambda: study.kubectl(*begun, check=False) == "/tmp/begun\n", "an element is begun")
        study.set("packages:\n  pip: []", "packages:\n  pip: [colorzero]\n  apt: [hello]")
        assert "is built and pushed" in study.kubefuture("up").stdout
        # What the program has imported is not what the workers have now.
        running.until("requirements.lock [0-9a-f]{12} here and [0-9a-f]{12} on the cluster.*make run")
    assert len(set(recorded(study)["images"])) == 2
    # The new one is ready before the old one is told to go.
    study.wait(lambda: old not in study.names("worker"), "the old worker is told to go")
    [new] = study.wait(lambda: study.ready("worker"), "the new worker is ready")
    # What the old worker had not begun it hands back, when it has found the new scheduler.
    connection = Connection.load(study.project.connection_file)
    try:
        study.wait(
            lambda: fetch_status(connection).done == 11, "the new worker has done all but the one element"
        )
    finally:
        connection.broken()
    # The old worker is still at the element that it began, and hands it over.
    study.kubectl("exec", old, "--container", "worker", "--", "touch", "/tmp/go")
    said = study.run(AFTERWARDS)
    assert "packaged [('#ff0000', 'Hello, world!\\n')]" in said
    hosts = re.search("hosts (.*)", said)[1].split()
    assert hosts[0] == old, "it was begun once"
    assert set(hosts[1:]) == {new}
    study.wait(lambda: old not in study.kubectl("get", "pods"), "the old worker has ended")
    images = recorded(study)["images"]
    study.kubefuture("down")
    assert not any(map(registry.digest_of, images)), "both are deleted"


def test_without_an_image_pods_install_the_lock_and_a_failure_is_named(make):
    study = make()
    study.set("packages:\n  pip: []", "packages:\n  at_start: true\n  pip: [colorzero]")
    values = study.project.values_file
    values.write_text(re.sub(r"  registry: .*\n", "", values.read_text()))
    done = study.kubefuture("up", status=None)
    if "the package index cannot be reached" in done.stderr:
        study.kubefuture("down")
        needs.missing("a cluster whose pods reach the package index")
    assert done.returncode == 0, done.stderr
    assert recorded(study)["images"] == []
    [pod] = study.names("worker")
    assert "installing packages: " in study.kubectl("logs", pod, "--container", "install")
    assert "equal 1" in study.run(SEEDED)
    said = study.run(
        "import kubefuture as kf\nprint(kf.map(lambda i: __import__('colorzero').Color('red').html, [0]))"
    )
    assert "['#ff0000']" in said

    study.set(
        "workers:\n",
        'workers:\n  env: {UV_DEFAULT_INDEX: "http://127.0.0.1:9/simple", PIP_RETRIES: "1"}\n',
    )
    told = kit.one_sentence(study.kubefuture("up", status=1))
    assert re.search(
        "packages cannot be installed in a (worker|scheduler): the package index cannot be reached", told
    )
    # Kubernetes tries it again and again.
    study.wait(
        lambda: "packages not installed" in study.kubefuture("status", status=None).stdout, "status says it"
    )
    study.kubefuture("down")
    assert namespaces(study) == []
