"""CPUs that round differently refuse nobody: whoever wants the same numbers again is told of them (R12, R24)."""

from __future__ import annotations

import platform

import kubefuture as kf
import pytest
from kubefuture.client import bits
from kubefuture.core.cpu_type import cpu_type
from kubefuture.protocol.messages import Slots

from tests.runtime.driver import Driver

INTEL, AMD = "x86_64 GenuineIntel avx512f", "x86_64 AuthenticAMD avx2"


@pytest.mark.parametrize(
    ("machine", "cpuinfo", "name"),
    [
        ("x86_64", "vendor_id\t: GenuineIntel\nflags\t\t: fpu avx avx2 avx512f sse4_2\n", INTEL),
        ("AMD64", "vendor_id\t: AuthenticAMD\nmodel name\t: any\nflags\t\t: avx avx2 sse4_2\n", AMD),
        ("x86_64", "vendor_id : A\nflags : sse4_2\n\nvendor_id : B\nflags : avx2\n", "x86_64 A sse4_2"),
        ("aarch64", "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n", "aarch64 0x41 0xd0c"),
        ("arm64", "", "aarch64"),
        ("riscv64", None, "riscv64"),
    ],
)
def test_a_cpu_is_named_by_what_libraries_choose_their_kernels_by(
    tmp_path, monkeypatch, machine, cpuinfo, name
):
    monkeypatch.setattr(platform, "machine", lambda: machine)
    path = tmp_path / "cpuinfo"
    if cpuinfo is not None:
        path.write_text(cpuinfo)
    assert cpu_type(path) == name


def test_clients_are_told_the_cpus_of_the_workers_that_are_there():
    driver = Driver()
    client = driver.join("client")
    driver.worker(1, "one", AMD)
    other = driver.worker(1, "other", INTEL)
    driver.worker(1, "third", AMD)
    assert driver.take(client, Slots)[-1] == Slots(3, (AMD, INTEL))
    driver.leave(other)
    assert driver.take(client, Slots)[-1] == Slots(2, (AMD,))
    assert driver.machine.cpus == (AMD,)


def told(capfd: pytest.CaptureFixture[str]) -> int:
    """How many lines about CPUs were said, when the plan has ended."""
    kf.plan("sequential")
    return capfd.readouterr().err.count("of another type than this machine's")


def test_R12_cpus_that_differ_are_told_once_when_there_is_a_seed(cluster, capfd, monkeypatch):
    monkeypatch.setattr(bits, "cpu_type", lambda: "pdp11")
    with kf.plan("sequential"):
        kf.plan("cluster", connection=cluster.connection)
        assert kf.map(abs, [-1, -2]) == [1, 2]
        assert told(capfd) == 0, "whoever draws nothing has nothing to compare"
        kf.plan("cluster", connection=cluster.connection)
        for _ in range(2):
            kf.options(seed=1).map(abs, [-1])
        assert kf.options(seed=1).future(abs, -3).result() == 3
        assert told(capfd) == 1


def test_R12_nothing_is_said_of_cpus_that_are_alike(cluster, capfd):
    with kf.plan("sequential"):
        kf.plan("cluster", connection=cluster.connection)
        assert kf.options(seed=1).map(abs, [-1]) == [1]
        assert told(capfd) == 0
