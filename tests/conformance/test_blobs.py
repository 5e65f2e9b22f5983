"""Large captured data behaves alike on every plan (R26, R27, R28)."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress

import kubefuture as kf
import numpy as np
import pytest

from tests import needs
from tests.faults.checkpoint import reach
from tests.faults.waiting import LIMIT, eventually

LARGE = 1 << 18
"""So many float64 are 2 MiB."""


@pytest.mark.parametrize("chunk_size", [None, 1, 7])
def test_R26_an_element_may_write_to_what_was_captured_and_no_other_sees_it(plan, chunk_size):
    array, buffer = np.arange(LARGE, dtype=float), bytearray(2 << 20)

    def spoil(x):
        seen = float(array.sum()), sum(buffer[:9])
        array[:] = x
        buffer[x] = 1
        return *seen, float(array[0]), sum(buffer[:9])

    whole = float(array.sum())
    assert kf.map(spoil, range(8), chunk_size=chunk_size) == [(whole, 0, float(x), 1) for x in range(8)]
    assert array.sum() == whole and not any(buffer)


def test_R26_arrays_bytes_and_nested_data_arrive_as_they_are(plan):
    data = {
        "rows": np.arange(LARGE).reshape(512, -1),
        "columns": np.asfortranarray(np.arange(LARGE).reshape(512, -1)),
        "gaps": np.arange(2 * LARGE)[::2],
        "deep": [{"bytes": os.urandom(2 << 20)}],
        "small": np.arange(3),
    }

    def digest(_):
        import hashlib

        parts = [data["rows"], data["columns"].T, data["gaps"], data["deep"][0]["bytes"], data["small"]]
        return hashlib.sha256(b"".join(map(bytes, parts))).hexdigest()

    assert kf.map(digest, range(3)) == [digest(0)] * 3
    assert kf.future(digest, 0).result() == digest(0)


def test_R27_an_array_that_was_changed_between_two_calls_is_sent_anew(plan):
    array = np.zeros(LARGE)

    def look(index):
        return float(array[index])

    for turn in range(4):
        array[turn] = turn + 1.0
        assert kf.map(look, range(5)) == [float(value) for value in array[:5]]
        assert kf.future(look, turn).result() == turn + 1.0


def test_R27_what_is_captured_is_taken_when_the_call_is_made(plan):
    array = np.zeros(LARGE)
    stream = kf.imap(lambda _: float(array.sum()), range(3))
    future = kf.future(lambda: float(array.sum()))
    array[:] = 1.0
    assert future.result() == 0.0
    if plan.kind != "sequential":
        assert list(stream) == [0.0] * 3


def test_R27_shared_data_is_read_only_everywhere_and_parts_of_it_are_arguments(plan):
    table = kf.share(np.arange(LARGE * 2, dtype=float).reshape(2, -1))
    sums = [float(row.sum()) for row in table]

    def total(row):
        assert not row.flags.writeable and not table.flags.writeable
        return float(row.sum()), float(table.sum())

    assert kf.map(total, table) == [(value, sum(sums)) for value in sums]
    assert kf.map(lambda row, _: float(row.sum()), list(table) * 5, range(10)) == sums * 5
    assert kf.future(total, table[1]).result() == (sums[1], sum(sums))
    assert kf.future(lambda *, row: float(row.sum()), row=table[0]).result() == sums[0]


def test_R27_shared_bytes_and_dicts_are_arguments(plan):
    data = kf.share({"bytes": os.urandom(2 << 20), "arrays": [np.arange(LARGE), np.ones(LARGE)], "name": "x"})
    content = kf.share(bytes(3 << 20))

    def look(given, raw):
        return given["bytes"], int(given["arrays"][0][-1]), given["name"], len(raw)

    expected = (data["bytes"], LARGE - 1, "x", 3 << 20)
    assert kf.map(look, [data] * 3, [content] * 3) == [expected] * 3


def test_R16_a_stream_may_refer_to_more_and_more_shared_data(plan):
    def shared():
        for number in range(25):
            yield kf.share(np.full(LARGE, number, dtype=float))

    assert list(kf.imap(lambda array: float(array.sum()), shared())) == [n * LARGE for n in range(25)]
    assert list(kf.imap(len, (kf.share(bytes((2 << 20) + n)) for n in range(5)), chunk_size=1)) == [
        (2 << 20) + n for n in range(5)
    ]


def test_R16_chunks_that_were_prefetched_find_what_came_later(plan):
    """Small arguments that are a record each, while the function is replaced by one that refers to more."""
    base = np.zeros(LARGE)

    def inputs():
        for number in range(300):
            yield kf.share(np.full(LARGE, number, dtype=float))[:10_000] if number % 60 == 0 else number

    def look(x):
        return float(np.sum(x)) + float(base[0])

    found = list(kf.imap(look, inputs(), chunk_size=1))
    assert found == [n * 10_000.0 if n % 60 == 0 else float(n) for n in range(300)]


def test_R24_seeds_give_the_same_numbers_with_and_without_large_data(plan):
    array = np.ones(LARGE)

    def draw(x, rng):
        return x, float(array[0]), rng.random()

    expected = kf.map(lambda x, rng: (x, 1.0, rng.random()), range(20), seed=7)
    for chunk_size in (None, 1, 6):
        assert kf.map(draw, range(20), seed=7, chunk_size=chunk_size) == expected
    shared = kf.share(np.ones(LARGE))
    seeds = list(range(20))
    expected = kf.map(lambda x, y, rng: (x, rng.random()), range(20), range(20), seed=seeds)
    assert kf.map(lambda x, y, rng: (x, rng.random()), range(20), [shared] * 20, seed=seeds) == expected


def test_R19_an_element_that_is_retried_finds_what_was_captured_as_it_was(plan, tmp_path):
    array, folder = np.zeros(LARGE), str(tmp_path)

    def second_time(x):
        mark = os.path.join(folder, str(x))
        first = not os.path.exists(mark)
        open(mark, "w").close()
        seen = float(array.sum())
        array[:] = 1.0
        if first:
            raise ValueError
        return seen

    assert kf.options(retries=1).map(second_time, range(5)) == [0.0] * 5


def test_R26_futures_that_capture_the_same_array_all_have_it(plan):
    array = np.arange(LARGE, dtype=float)

    def look(index):
        found = float(array[index])
        array[:] = -1.0
        return found

    futures = [kf.future(look, index) for index in range(50)]
    assert kf.value(futures) == [float(index) for index in range(50)]


def test_R26_maps_inside_elements_capture_large_data_too(plan):
    array = kf.share(np.ones(LARGE))

    def outer(x):
        more = np.full(LARGE, float(x))
        return sum(kf.map(lambda y: float(array[0]) + float(more[0]) + y, range(3)))

    assert kf.map(outer, range(3)) == [6.0 + 3 * x for x in range(3)]


def test_R18_an_error_of_a_function_with_large_data_arrives_as_itself(plan):
    array = np.zeros(LARGE)
    with pytest.raises(KeyError, match="'x'"):
        kf.map(lambda _: {}["x"] if array[0] == 0 else 1, range(3))
    found = kf.options(on_error="return").map(lambda x: 1 // (x - int(array[1]) - 1), range(3))
    assert [type(value).__name__ for value in found] == ["int", "ZeroDivisionError", "int"]


def test_R19_a_slot_that_dies_costs_no_data(pool, checkpoint):
    array, port = np.arange(LARGE, dtype=float), checkpoint.port

    def look():
        array[0] += 1.0
        reach(port)
        return float(array[0]), float(array[-1])

    future = kf.future(look)
    checkpoint.next().kill()
    checkpoint.next().go()
    assert future.result(LIMIT) == (1.0, LARGE - 1.0)


def test_R29_memory_is_given_back_when_the_calls_are_over(pool):
    """In this program; a worker's is with its next work."""
    if sys.platform != "linux":
        needs.missing("/proc/self/fd")

    def link(name):
        try:
            return os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            return ""

    def held():
        return sum("kubefuture-blob" in link(name) for name in os.listdir("/proc/self/fd"))

    before = held()
    for number in range(4):
        array = np.full(LARGE, number)
        assert kf.map(lambda _, array=array: int(array[0]), range(3)) == [number] * 3
        assert kf.future(lambda array=array: int(array[0])).result() == number
        next(kf.imap(lambda _, array=array: int(array[0]), range(1000)))
    eventually(lambda: held() <= before, "that all is given back")


def test_R26_many_threads_of_a_program_capture_large_data(pool):
    outcomes: dict[int, list[float]] = {}

    def use(number):
        array = np.full(LARGE, float(number % 3))
        outcomes[number] = kf.map(lambda x: x + float(array[-1]), range(10))

    threads = [threading.Thread(target=use, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT)
    assert outcomes == {n: [x + float(n % 3) for x in range(10)] for n in range(6)}


def test_R29_captured_data_is_nobodys_when_its_map_is_over(pool):
    array = np.arange(LARGE, dtype=float)
    slots = set(kf.map(lambda _: os.getpid(), range(20), chunk_size=1))
    pids = {os.getpid(), *slots, *map(_parent, slots)}
    before = {pid: len(_blobs_of(pid)) for pid in pids}  # what other tests have shared
    kf.map(lambda x: float(array[x]), range(20), chunk_size=1)
    for pid in pids:
        eventually(lambda pid=pid: len(_blobs_of(pid)) <= before[pid], f"{pid} lets go of what was captured")
    assert kf.map(lambda x: float(array[x]), range(3)) == [0.0, 1.0, 2.0]


def _parent(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        return int(file.read().rpartition(")")[2].split()[1])


def _blobs_of(pid):
    """What a process has open or mapped of large data in memory."""
    if not sys.platform.startswith("linux"):
        needs.missing("/proc (Linux)")
    found = []
    with suppress(FileNotFoundError):  # a process that has ended has nothing
        for handle in os.listdir(f"/proc/{pid}/fd"):
            with suppress(OSError):
                found.append(os.readlink(f"/proc/{pid}/fd/{handle}"))
        with open(f"/proc/{pid}/maps", encoding="utf-8") as file:
            found += file.read().splitlines()
    return [name for name in found if "memfd:kubefuture-blob" in name]
