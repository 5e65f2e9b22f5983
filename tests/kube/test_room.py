"""What no node can take is said before anything is changed."""

from __future__ import annotations

import re

import pytest
from kubefuture.kube.room import lacking
from kubefuture.project import values
from kubefuture.project.errors import ProjectError

from tests.project import kit


def node(cpu="2", memory="8Gi", gpu=None, **labels):
    there = {"cpu": cpu, "memory": memory, **({"nvidia.com/gpu": gpu} if gpu else {})}
    return {"metadata": {"labels": labels}, "status": {"allocatable": there}}


def asked(tmp_path, workers):
    cluster = "cluster: {context: lab, registry: r.example/x}"
    text = f"provider: existing\nworkers: {workers}\n{cluster}\n"
    return values.load(kit.make_project(tmp_path / "study", text))


SMALL, LARGE = node(disk="hdd"), node("16", "4Gi", "1", disk="ssd")


@pytest.mark.parametrize(
    ("workers", "words"),
    [
        ("{cpus: 2, memory: 8Gi}", ""),
        ("{cpus: 16, memory: 4Gi, gpu: 1}", ""),
        ("{node_selector: {disk: ssd}}", ""),
        ("{cpus: 17}", "A worker gets 17 CPUs, and the largest node has 16 CPUs: lower workers.cpus."),
        ("{memory: 900Ti}", "A worker gets 900 TiB of memory, and the largest node has 8 GiB of memory"),
        ("{gpu: 2}", "A worker gets 2 GPUs, and the largest node has 1 GPU: lower workers.gpu."),
        ("{cpus: 16, memory: 8Gi}", "No node has as many CPUs and as much memory"),
        ("{node_selector: {disk: nvme}}", "No node has the labels .*; they have disk=hdd, disk=ssd\\."),
        ("{node_selector: {rack: '7'}}", "No node has the labels of workers.node_selector in values.yaml\\."),
    ],
)
def test_what_no_node_can_take_is_named(tmp_path, workers, words):
    found = lacking([SMALL, LARGE], asked(tmp_path, workers))
    assert re.match(words, found) and bool(words) == bool(found), found


def test_less_memory_than_python_takes_is_refused(tmp_path):
    with pytest.raises(ProjectError, match=r"workers\.memory is 1Mi; on a cluster allowed is at least 64Mi"):
        asked(tmp_path, "{memory: 1Mi}")
    assert asked(tmp_path / "enough", "{memory: 64Mi}").memory == 64 << 20


def test_a_cluster_without_nodes_adds_them_when_they_are_asked_for(tmp_path):
    assert lacking([], asked(tmp_path, "{cpus: 17}")) == ""
