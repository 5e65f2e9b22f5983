"""Every Helm that the tests are to try: the one on the PATH, and those that KUBE_TEST_HELMS names."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests import needs
from tests.project.kit import ROOT

CHART = ROOT / "chart"


def helms() -> list[str]:
    """Their paths; only one of each version."""
    named = os.environ.get("KUBE_TEST_HELMS", "").split(os.pathsep)
    paths = [path for path in (shutil.which("helm"), *named) if path]
    return list({_version(path): path for path in reversed(paths)}.values())[::-1]


def _version(path: str) -> str:
    told = subprocess.run(
        [path, "version", "--template", "{{.Version}}"], capture_output=True, text=True, check=True
    )
    return told.stdout


def each_helm() -> pytest.MarkDecorator:
    """Runs a test with each of them, as the argument `helm`."""
    found = helms()
    return pytest.mark.parametrize(
        "helm", found or [""], ids=[f"helm-{_version(path)}" for path in found] or ["helm"]
    )


def run(helm: str, *arguments: str, status: int | None = 0) -> subprocess.CompletedProcess[str]:
    """Runs Helm.

    Args:
        helm: Its path; empty where there is none, which ends the test.
        *arguments: What it is told.
        status: The expected exit status; None accepts any.
    """
    if not helm:
        needs.missing("helm (renders the chart)")
    done = subprocess.run(
        [helm, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=1500
    )
    assert status is None or done.returncode == status, done.stdout + done.stderr
    return done


def rendered(
    helm: str,
    folder: Path,
    values: Any,
    release: str = "study",
    chart: Path = CHART,
    namespace: str = "space",
) -> list[dict[str, Any]]:
    """The objects that the chart makes of values.

    Args:
        helm: Which Helm renders it.
        folder: Takes the file of values.
        values: The values.
        release: The release's name.
        chart: The chart.
        namespace: Where it is to go.
    """
    told = write(folder, values)
    # A Helm that was compiled by hand does not know which Kubernetes is of its time.
    options = [
        "--namespace",
        namespace,
        "--values",
        told,
        "--kube-version",
        kubernetes_validate.latest_version(),
    ]
    text = run(helm, "template", release, str(chart), *options).stdout
    return [one for one in yaml.safe_load_all(text) if one]


def write(folder: Path, values: Any) -> str:
    """A file with values, as `make up` writes one; returns its path."""
    path = folder / "told.json"
    path.write_text(json.dumps(values), encoding="utf-8")
    return str(path)


def named(objects: list[dict[str, Any]], kind: str, end: str = "") -> Any:
    """The only object of a kind whose name ends so."""
    [one] = [one for one in objects if one["kind"] == kind and one["metadata"]["name"].endswith(end)]
    return one
