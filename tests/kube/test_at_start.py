"""Pods without an image install what the lock says, and what keeps them from it is named."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile

import pytest
from kubefuture.core.version import lock_digest
from kubefuture.kube import source
from kubefuture.kube.image import PYTHON
from kubefuture.kube.place import Place
from kubefuture.kube.refusals import MAKING_ROOM
from kubefuture.kube.rollout import progress_of
from kubefuture.kube.troubles import troubles
from kubefuture.kube.view import View
from kubefuture.project.errors import ProjectError

from tests.project import kit
from tests.project.conftest import installed

__all__ = ["installed"]

INSTALL = kit.ROOT / "runtime" / "src" / "kubefuture" / "pod" / "install.py"
PLACE = Place("existing", "/home/me/.kube/config", "lab", "kubefuture-study", "study", "study")


def install(*arguments, **environment):
    command = [sys._base_executable, "-I", str(INSTALL), *map(str, arguments)]
    return subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=240
    )


def test_the_same_project_gives_the_same_archive(installed):
    assert source.packed(installed) == source.packed(installed)
    with tarfile.open(fileobj=io.BytesIO(source.packed(installed))) as archive:
        names = archive.getnames()
    assert {"requirements.lock", "uv.lock", "runtime/src/kubefuture/pod/__main__.py"} <= set(names)
    assert not any("__pycache__" in name for name in names)


def test_an_archive_becomes_an_environment_with_packages_runtime_and_stamp(installed, tmp_path):
    archive, into = tmp_path / source.ARCHIVE, tmp_path / "environment"
    archive.write_bytes(source.packed(installed))
    arguments = [f"--python={PYTHON}", f"--from={archive}", f"--into={into}", f"--settings={tmp_path}"]
    done = install(*arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "installing packages: 0 of " in done.stdout
    code = (
        "import kubefuture, numpy; from kubefuture.core.version import own_environment; "
        "print(own_environment().lock, kubefuture.__file__)"
    )
    digest, place = subprocess.run(
        [into / "bin" / "python", "-I", "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert digest == lock_digest(installed.lock_file)
    assert place == str(into / "runtime" / "kubefuture" / "__init__.py")
    # The root file system is read-only then, so everything is compiled, and downloads are gone.
    assert list((into / "runtime" / "kubefuture" / "__pycache__").glob("errors.*.pyc"))
    assert not (into / "cache").exists()
    assert install(*arguments).stdout == "the packages are there\n"


def test_a_base_image_that_does_not_fit_is_named_before_anything_is_fetched():
    assert "has the wrong Python: " in install("--python=3.2").stdout
    wrong = install(f"--python={PYTHON}", "--architecture=riscv64")
    assert wrong.returncode == 1 and "the cluster's nodes are riscv64" in wrong.stdout
    assert install(f"--python={PYTHON}").returncode == 0


def test_an_index_that_cannot_be_reached_is_named(installed, tmp_path):
    (tmp_path / "index").write_text(json.dumps({"PIP_INDEX_URL": "http://127.0.0.1:9/simple"}))
    archive = tmp_path / source.ARCHIVE
    archive.write_bytes(source.packed(installed))
    done = install(
        f"--python={PYTHON}",
        f"--from={archive}",
        f"--into={tmp_path / 'environment'}",
        f"--settings={tmp_path}",
        PIP_RETRIES="1",
        PIP_FIND_LINKS="",
    )
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == "error: the package index cannot be reached: Connection refused"


def test_what_does_not_fit_into_a_configmap_is_refused(installed, monkeypatch):
    monkeypatch.setattr(source, "packed", lambda project: b"x" * source.LIMIT)
    with pytest.raises(ProjectError, match=r"1024.*packages.at_start: false"):
        source.ensure(installed, PLACE, {})


def test_pods_may_reach_a_proxy_that_is_named_without_a_scheme(installed):
    env = {"HTTPS_PROXY": "10.0.0.5:3128", "http_proxy": "proxy.corp:3129"}
    egress = source.told(installed, PLACE, env)["egress"]
    assert egress[1:] == [{"cidr": "10.0.0.5/32", "port": 3128}, {"cidr": "", "port": 3129}]


@pytest.mark.parametrize(
    "address",
    [
        "http://ann:secret@proxy.corp:port",
        "http://ann:secret/word@proxy:1",
        "proxy.corp:99999",
        "http://[fd00::5",
    ],
)
def test_a_proxy_that_is_no_address_is_named_by_its_variable_without_its_password(installed, address):
    with pytest.raises(
        ProjectError, match=r"^HTTPS_PROXY in workers\.env .*http://HOST:PORT, with"
    ) as caught:
        source.told(installed, PLACE, {"HTTPS_PROXY": address})
    assert "secret" not in str(caught.value)


def test_an_index_that_is_no_address_is_named(installed):
    with pytest.raises(ProjectError, match=r"package index is none, .*UV_DEFAULT_INDEX"):
        source.told(installed, PLACE, {"UV_DEFAULT_INDEX": "https://corp:84x3/simple"})


def pod(component="worker", leaving=False, **status):
    meta = {"name": f"{component}-1", "labels": {"app.kubernetes.io/component": component}}
    return {
        "metadata": meta | ({"deletionTimestamp": "now"} if leaving else {}),
        "spec": {},
        "status": status,
    }


def ended(code, message="", **more):
    return {"terminated": {"exitCode": code, "message": message} | more}


def view(*pods):
    return View(pods, [], [], [])


def test_a_failed_installation_is_named_with_its_last_lines():
    said = "Resolved 9 packages in 5ms\nerror: Failed to fetch: `https://corp/x.whl`\n  Caused by: HTTP status (403)\n"
    waiting = {"waiting": {"reason": "CrashLoopBackOff"}}
    for state in (
        {"state": ended(2, said)},
        {"state": waiting, "lastState": ended(2, said), "restartCount": 1},
    ):
        [trouble] = troubles(view(pod(initContainerStatuses=[{"name": "install", **state}])))
        assert trouble.final
        assert (
            "cannot be installed in a worker: Failed to fetch: `https://corp/x.whl`: HTTP status (403)"
            in trouble.words
        )


def test_an_installation_that_is_tried_again_or_has_ended_well_is_no_trouble():
    again = {"state": {"running": {}}, "lastState": ended(2, "error: no"), "restartCount": 1}
    well = {"state": ended(0), "lastState": ended(2, "error: no"), "restartCount": 1}
    for state in (again, well):
        assert troubles(view(pod(initContainerStatuses=[{"name": "install", **state}]))) == []


def test_an_installation_without_memory_names_the_key():
    [trouble] = troubles(
        view(pod(initContainerStatuses=[{"name": "install", "state": ended(137, reason="OOMKilled")}]))
    )
    assert "workers.memory" in trouble.words


def test_how_far_the_installation_is_is_shown():
    deployment = {
        "metadata": {"generation": 1, "labels": {"app.kubernetes.io/component": "worker"}},
        "spec": {"replicas": 2},
        "status": {"observedGeneration": 1},
    }
    detail = progress_of(View([], [deployment], [], []), {"worker": "installing packages: 12 of 40"}).detail
    assert "0 of 2 workers ready (installing packages: 12 of 40)" in detail


def test_new_pods_wait_for_the_room_of_old_ones():
    """A rollout on a full cluster takes as long as the old workers need for what they run."""
    full = [{"reason": "Unschedulable", "message": "0/2 nodes are available: 2 Insufficient cpu."}]
    assert "workers.cpus" in troubles(view(pod(conditions=full)))[0].words
    waiting = troubles(view(pod(conditions=full), pod(leaving=True)))
    assert [trouble.words for trouble in waiting] == [MAKING_ROOM]


def test_an_image_for_another_processor_is_named_with_the_key():
    crash = {"name": "worker", "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "restartCount": 2}
    crash["lastState"] = ended(1, "exec /opt/kubefuture/bin/python: exec format error")
    [trouble] = troubles(view(pod(containerStatuses=[crash])))
    assert "cluster.platform" in trouble.words
