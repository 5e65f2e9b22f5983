"""What an install would change is rendered for the Kubernetes that the cluster has, not for that of Helm's own time."""

from __future__ import annotations

import json
import os
import shutil

import pytest
from kubefuture.kube import difference, server_version
from kubefuture.kube.commands import KubeError
from kubefuture.kube.place import Place
from kubefuture.project.errors import ProjectError

from tests import needs
from tests.chart.helms import CHART, each_helm
from tests.chart.matrix import values

PLACE = Place("existing", "/config", "lab", "space", "study", "study")

TELLING = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: told
data:
  version: {{ .Capabilities.KubeVersion.Version }}
"""


def answers(monkeypatch, version):
    told = {"clientVersion": {"gitVersion": "v1.20.0"}, "serverVersion": {"gitVersion": version}}
    monkeypatch.setattr(server_version, "kubectl", lambda *_, **__: json.dumps(told))


@pytest.fixture
def chart(helm, tmp_path, monkeypatch):
    """The chart with an object that tells which Kubernetes Helm has in mind; `helm` is the one of the test."""
    if not helm:
        needs.missing("helm (renders the chart)")
    commands = tmp_path / "bin"
    commands.mkdir()
    (commands / "helm").symlink_to(helm)
    monkeypatch.setenv("PATH", f"{commands}{os.pathsep}{os.environ['PATH']}")
    shutil.copytree(CHART, tmp_path / "chart")
    (tmp_path / "chart" / "templates" / "told.yaml").write_text(TELLING)
    return tmp_path / "chart"


@each_helm()
@pytest.mark.parametrize(
    ("said", "plain"),
    [
        ("v1.27.0", "v1.27.0"),
        ("v1.29.3-gke.100", "v1.29.3"),
        ("v1.30.4-eks-a737599", "v1.30.4"),
        ("v1.31.1+k3s1", "v1.31.1"),
        ("v1.28.0-alpha.1.12+0123456789abcd-dirty", "v1.28.0"),
        ("1.30+", "v1.30.0"),
    ],
)
def test_helm_is_told_the_clusters_version_whatever_its_vendor_adds(chart, monkeypatch, said, plain):
    answers(monkeypatch, said)
    objects = difference._rendered(chart, PLACE, values())
    assert objects["ConfigMap", "told"]["data"]["version"] == plain


@each_helm()
def test_a_cluster_that_is_too_old_for_the_chart_is_refused(chart, monkeypatch):
    answers(monkeypatch, "v1.26.15-gke.1")
    with pytest.raises(KubeError, match=r"requires kubeVersion.*v1\.26\.15"):
        difference._rendered(chart, PLACE, values())


def test_what_is_no_version_is_a_sentence(monkeypatch):
    answers(monkeypatch, "unknown")
    with pytest.raises(ProjectError, match=r"context lab says that it is Kubernetes 'unknown'"):
        server_version.server_version(PLACE)
