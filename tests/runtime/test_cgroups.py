"""The memory that control groups grant, read from made-up machines of both versions (R20)."""

from __future__ import annotations

from pathlib import Path

import pytest
from kubefuture.core.cgroups import Use, memory_groups
from kubefuture.core.resources import MachineMemory, machine_memory
from kubefuture.worker.memory import MemoryGuard

from tests.runtime.test_cores import machine

MIB = 1 << 20
UNLIMITED = str((1 << 63) - 4096)


def limits(root: Path) -> list[int]:
    """All limits that are found, the outermost first."""
    return [group.limit for group in memory_groups(root) if group.limit]


@pytest.mark.parametrize(
    ("cgroup", "files", "found"),
    [
        ("", {}, []),
        ("no colons at all", {}, []),
        ("0::/\n", {"memory.max": "max\n"}, []),
        ("0::/\n", {"memory.max": "209715200\n"}, [200 * MIB]),
        ("0::/\n", {"memory.max": "nonsense"}, []),
        ("0::/\n", {"memory.max": ""}, []),
        ("0::/\n", {"memory.max": "0"}, []),
        ("0::/a/b\n", {"a/memory.max": "209715200", "a/b/memory.max": "max"}, [200 * MIB]),
        ("0::/a/b\n", {"a/memory.max": "209715200", "a/b/memory.max": "104857600"}, [200 * MIB, 100 * MIB]),
        ("0::/../up\n", {"up/memory.max": "209715200"}, [200 * MIB]),
        ("4:memory:/m\n0::/\n", {"memory/m/memory.limit_in_bytes": "209715200"}, [200 * MIB]),
        ("4:memory:/docker/12\n", {"memory/memory.limit_in_bytes": "209715200"}, [200 * MIB]),
        ("4:cpu,memory:/m\n", {"cpu,memory/m/memory.limit_in_bytes": "209715200"}, [200 * MIB]),
        ("4:memory:/\n", {"memory/memory.limit_in_bytes": UNLIMITED}, []),
        ("3:cpu:/m\n", {"memory/m/memory.limit_in_bytes": "209715200"}, []),
    ],
)
def test_R20_the_limits_of_the_control_group_and_of_those_above_it_are_found(tmp_path, cgroup, files, found):
    files = {f"sys/fs/cgroup/{name}": content for name, content in files.items()}
    assert limits(machine(tmp_path, cgroup, files)) == found


VERSIONS = {
    1: ("4:memory:/m\n", "memory/m/", "limit_in_bytes", "usage_in_bytes", "total_"),
    2: ("0::/m\n", "m/", "max", "current", ""),
}


def group_of(root: Path, version: int, used: int, cached: int, limit: object = 200 * MIB) -> Use | None:
    """What a group of this version says that uses so many bytes, of which so many are caches of files."""
    cgroup, folder, most, usage, prefix = VERSIONS[version]
    folder = f"sys/fs/cgroup/{folder}memory."
    stat = f"anon {used - cached}\n{prefix}inactive_file {cached // 2}\n{prefix}active_file {cached // 2}\n"
    files = {f"{folder}{most}": str(limit), f"{folder}{usage}": str(used), f"{folder}stat": stat}
    return memory_groups(machine(root, cgroup, files))[0].over(0.9)


@pytest.mark.parametrize("version", VERSIONS)
def test_R20_the_cache_of_files_does_not_count_as_the_kernel_can_drop_it(tmp_path, version):
    assert group_of(tmp_path, version, 190 * MIB, 0) == Use(190 * MIB, 200 * MIB)
    assert group_of(tmp_path, version, 190 * MIB, 6 * MIB) == Use(184 * MIB, 200 * MIB)
    assert group_of(tmp_path, version, 200 * MIB, 100 * MIB) is None
    assert group_of(tmp_path, version, 100 * MIB, 0) is None


@pytest.mark.parametrize("version", VERSIONS)
def test_a_group_without_a_limit_is_never_over_it(tmp_path, version):
    assert group_of(tmp_path, version, 190 * MIB, 0, {1: UNLIMITED, 2: "max"}[version]) is None


def test_the_machines_memory_is_what_could_be_had(tmp_path):
    text = "MemTotal:       24105 kB\nMemFree:  1 kB\nMemAvailable:   23760 kB\n"
    assert machine_memory(machine(tmp_path, "", {"proc/meminfo": text})) == MachineMemory(
        24105 << 10, 23760 << 10
    )


@pytest.mark.parametrize("text", ["", "MemTotal: 5 kB\n", "MemTotal:\nMemAvailable: x kB\n"])
def test_a_machine_that_does_not_tell_has_no_limit(tmp_path, text):
    assert machine_memory(machine(tmp_path, "", {"proc/meminfo": text})) is None


class Slots:
    """Slots that hold as much as they are told to, seen from a guard."""

    def __init__(self, monkeypatch, *held: int) -> None:
        self.ready = [(number, 1000 + number) for number in range(len(held))]
        self.ended: list[tuple[int, str]] = []
        sizes = {pid: held[number] * MIB for number, pid in self.ready}
        monkeypatch.setattr("kubefuture.worker.memory.resident_bytes", sizes.get)
        monkeypatch.setattr("kubefuture.worker.memory.resident_bytes_of_groups", lambda pids: sizes)

    @property
    def numbers(self):
        return [number for number, _ in self.ready]

    def end(self, number, reason):
        self.ended.append((number, reason))


def guard(slots: Slots, events: list[str], **limits: object) -> MemoryGuard:
    """A guard of them."""
    return MemoryGuard(slots, lambda name, **fields: events.append(name), **limits)


def test_R20_the_largest_slot_is_ended_once_and_the_next_one_only_when_that_was_not_enough(monkeypatch):
    slots, events = Slots(monkeypatch, 100, 300, 200), []
    watched = guard(slots, events, machine=lambda: MachineMemory(1000 * MIB, 40 * MIB))
    watched.look()
    watched.look()
    assert slots.ended == [
        (
            1,
            "ended for want of memory, as this machine had 40 MiB left of its 1000 MiB, and this slot 300 MiB",
        )
    ]
    slots.ready = [(0, 1000), (2, 1002)]
    watched.look()
    assert [number for number, _ in slots.ended] == [1, 2] and events == ["slot-killed"] * 2


def test_R20_no_slot_is_ended_for_memory_that_others_have_filled(monkeypatch):
    slots, events = Slots(monkeypatch, 20, 20), []
    watched = guard(slots, events, machine=lambda: MachineMemory(1000 * MIB, 40 * MIB))
    watched.look()
    watched.look()
    assert slots.ended == [] and events == ["memory-short"], "which is said once"


def test_R20_five_percent_of_the_machine_stay_free_where_no_control_group_has_a_limit(monkeypatch, tmp_path):
    slots, free = Slots(monkeypatch, 100, 300), [50]
    unlimited = memory_groups(machine(tmp_path, "0::/\n", {"sys/fs/cgroup/memory.max": "max"}))
    watched = guard(slots, [], groups=unlimited, machine=lambda: MachineMemory(1000 * MIB, free[0] * MIB))
    watched.look()
    assert slots.ended == []
    free[0] = 49
    watched.look()
    assert [number for number, _ in slots.ended] == [1]


def test_R20_where_a_control_group_has_a_limit_that_counts_and_not_the_machine(monkeypatch, tmp_path):
    slots = Slots(monkeypatch, 100, 300)
    files = {"memory.max": str(500 * MIB), "memory.current": str(400 * MIB), "memory.stat": ""}
    root = machine(tmp_path, "0::/\n", {f"sys/fs/cgroup/{name}": text for name, text in files.items()})
    watched = guard(slots, [], groups=memory_groups(root), machine=lambda: MachineMemory(1000 * MIB, 1))
    watched.look()
    assert slots.ended == []
    (root / "sys/fs/cgroup/memory.current").write_text(str(460 * MIB))
    watched.look()
    ((number, reason),) = slots.ended
    assert number == 1 and "the container used 460 MiB of the 500 MiB that it may" in reason


@pytest.mark.parametrize(
    ("per_slot", "limit", "why"), [(200, 800, "workers.memory"), (400, 400, "the container")]
)
def test_R20_the_smaller_of_the_two_limits_of_a_worker_counts(monkeypatch, tmp_path, per_slot, limit, why):
    slots = Slots(monkeypatch, 100, 300)
    files = {"memory.max": str(limit * MIB), "memory.current": str(390 * MIB), "memory.stat": ""}
    root = machine(tmp_path, "0::/\n", {f"sys/fs/cgroup/{name}": text for name, text in files.items()})
    guard(slots, [], per_slot=per_slot * MIB, groups=memory_groups(root)).look()
    ((number, reason),) = slots.ended
    assert number == 1 and why in reason
