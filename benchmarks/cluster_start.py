"""How long until the first result on a cluster, from `make up` where the image is there already?

Needs a cluster and a registry, in KUBECONFIG and KUBE_TEST_REGISTRY; without them there is nothing to measure. A
project is brought up once, so that the image is in the registry and on the nodes; then its namespace is deleted, each
time.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from pathlib import Path

from .measurement import Row
from .start_up import FIRST, ROOT, run

VALUES = """\
provider: existing
workers:
  count: 2
  cpus: 0.5
  memory: 512Mi
packages:
  pip: []
cluster:
  context: {context}
  registry: {registry}/bench
  storage: 1Gi
"""


def rows(quick: bool) -> list[Row]:
    """Measures both; empty without a cluster."""
    registry = os.environ.get("KUBE_TEST_REGISTRY")
    if not os.environ.get("KUBECONFIG") or not registry:
        print("  not asked: it needs a cluster and a registry, in KUBECONFIG and KUBE_TEST_REGISTRY")
        return []
    folder = Path(tempfile.mkdtemp(prefix="kubefuture-bench-"))
    project = folder / f"bench-{folder.name[-8:].lower()}"
    try:
        context = run(["kubectl", "config", "current-context"], folder).strip()
        copier = [
            str(ROOT / ".venv" / "bin" / "copier"),
            "copy",
            "--quiet",
            "--defaults",
            "--vcs-ref",
            "HEAD",
        ]
        run([*copier, str(ROOT), str(project)], folder)
        (project / "values.yaml").write_text(VALUES.format(context=context, registry=registry))
        (project / "first.py").write_text(FIRST)
        try:
            run(["make", "up"], project)
            times = [_start(project, context) for _ in range(2 if quick else 5)]
            again = [_timed(["make", "up"], project) for _ in range(2 if quick else 5)]
        finally:
            run(["make", "down"], project)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return [
        Row("make up to the first result, on a cluster, the image there", "", "", times, 20.0, unit=" s"),
        Row("make up again, nothing changed", "", "", again, 10.0, unit=" s"),
    ]


def _start(project: Path, context: str) -> float:
    """From nothing but the image to a result."""
    record = (project / ".kubefuture" / "deployed" / "existing.yaml").read_text()
    found = re.search(r"(?m)^namespace: (\S+)$", record)
    assert found is not None, record
    run(["kubectl", "--context", context, "delete", "namespace", found[1]], project)
    return _timed(["make", "up"], project) + _timed(["make", "run", "SCRIPT=first.py"], project)


def _timed(command: list[str], project: Path) -> float:
    started = time.perf_counter()
    run(command, project)
    return time.perf_counter() - started
