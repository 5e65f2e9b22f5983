"""available_cores is the least of what anybody allows, read from made-up machines."""

from __future__ import annotations

import inspect
import os
from pathlib import Path

import pytest
from kubefuture.core.resources import _cores, available_cores, slot_environment


@pytest.fixture(autouse=True)
def sixteen_cores(monkeypatch):
    """The kernel would let us use sixteen."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(16)), raising=False)


def machine(root: Path, cgroup: str, files: dict[str, str]) -> Path:
    """A file tree with these cgroups."""
    for name, content in {"proc/self/cgroup": cgroup, **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


@pytest.mark.parametrize(
    ("cgroup", "files", "cores"),
    [
        ("", {}, 16),
        ("0::/\n", {"sys/fs/cgroup/cpu.max": "max 100000\n"}, 16),
        ("0::/\n", {"sys/fs/cgroup/cpu.max": "200000 100000\n"}, 2),
        ("0::/\n", {"sys/fs/cgroup/cpu.max": "150000 100000\n"}, 2),
        ("0::/\n", {"sys/fs/cgroup/cpu.max": "50000 100000\n"}, 1),
        (
            "0::/a/b\n",
            {"sys/fs/cgroup/a/cpu.max": "300000 100000", "sys/fs/cgroup/a/b/cpu.max": "max 100000"},
            3,
        ),
        (
            "0::/a/b\n",
            {"sys/fs/cgroup/a/cpu.max": "800000 100000", "sys/fs/cgroup/a/b/cpu.max": "400000 100000"},
            4,
        ),
        ("0::/../up\n", {"sys/fs/cgroup/up/cpu.max": "400000 100000"}, 4),
        ("0::/\n", {"sys/fs/cgroup/cpu.max": "3200000 100000"}, 16),
        ("0::/\n", {"sys/fs/cgroup/cpu.max": "nonsense"}, 16),
        ("0::/\n", {"sys/fs/cgroup/cpu.max": ""}, 16),
        ("0::/\n", {"sys/fs/cgroup/cpu.max": "0 0"}, 16),
        (
            "4:memory:/m\n3:cpu,cpuacct:/jobs/7\n",
            {
                "sys/fs/cgroup/cpu,cpuacct/jobs/7/cpu.cfs_quota_us": "250000\n",
                "sys/fs/cgroup/cpu,cpuacct/jobs/7/cpu.cfs_period_us": "100000\n",
            },
            3,
        ),
        (
            "3:cpu:/\n",
            {"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n", "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"},
            16,
        ),
        ("no colons at all", {}, 16),
    ],
)
def test_the_cgroups_quota_counts_and_those_above_it(tmp_path, cgroup, files, cores):
    assert _cores(machine(tmp_path, cgroup, files), {}) == cores


def test_a_group_whose_name_is_no_text_counts_too(tmp_path):
    root = machine(tmp_path, "", {"sys/fs/cgroup/caf\udce9/cpu.max": "400000 100000"})
    (root / "proc/self/cgroup").write_bytes(b"0::/caf\xe9\n")
    assert _cores(root, {}) == 4


@pytest.mark.parametrize(
    ("environ", "cores"),
    [
        ({"SLURM_CPUS_PER_TASK": "4"}, 4),
        ({"SLURM_CPUS_ON_NODE": "6"}, 6),
        ({"SLURM_CPUS_PER_TASK": "4", "SLURM_CPUS_ON_NODE": "2"}, 4),
        ({"SLURM_CPUS_PER_TASK": "", "SLURM_CPUS_ON_NODE": "2"}, 2),
        ({"PBS_NUM_PPN": "3"}, 3),
        ({"NCPUS": "5"}, 5),
        ({"LSB_DJOB_NUMPROC": "7"}, 7),
        ({"LSB_MAX_NUM_PROCESSORS": "9"}, 9),
        ({"NSLOTS": "2"}, 2),
        ({"PJM_VNODE_CORE": "11"}, 11),
        ({"PYTHON_CPU_COUNT": "3"}, 3),
        ({"PYTHON_CPU_COUNT": "default"}, 16),
        ({"NSLOTS": "\u00b2"}, 16),
        ({"NSLOTS": "8", "PBS_NUM_PPN": "6"}, 6),
        ({"NCPUS": "64"}, 16),
        ({"LSB_DJOB_NUMPROC": "0", "NSLOTS": "-3", "NCPUS": "many"}, 16),
        ({"NSLOTS": ""}, 16),
    ],
)
def test_what_a_batch_system_assigned_counts(tmp_path, environ, cores):
    assert _cores(tmp_path, environ) == cores


def test_the_least_of_all_counts(tmp_path):
    root = machine(tmp_path, "0::/\n", {"sys/fs/cgroup/cpu.max": "300000 100000"})
    assert _cores(root, {"NSLOTS": "5"}) == 3
    assert _cores(root, {"NSLOTS": "2"}) == 2


def test_the_kernels_affinity_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3}, raising=False)
    assert _cores(tmp_path, {"NSLOTS": "5"}) == 1


def test_the_public_function_has_no_arguments_and_asks_this_machine(monkeypatch):
    assert not inspect.signature(available_cores).parameters
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3}, raising=False)
    assert available_cores() == 1


def test_slots_limit_their_libraries_threads_before_python_starts():
    environment = slot_environment(2, {"HOME": "/home", "OMP_NUM_THREADS": "64"})
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
        assert environment[name] == "2"
    assert environment["HOME"] == "/home"
