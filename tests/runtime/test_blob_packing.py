"""Large captured data leaves the pickle and comes back as it was, for each element anew (R26, R27, R28)."""

from __future__ import annotations

import functools
import gc
import multiprocessing
import os
import sys
import threading

import kubefuture as kf
import numpy as np
import pytest
from kubefuture.core import blobs
from kubefuture.core.blobs import BlobError, Mapped
from kubefuture.core.packing import pack_element, pack_function, pack_large, pack_shared
from kubefuture.core.references import Loader
from kubefuture.core.settings import BLOB_BYTES, BLOBS
from kubefuture.core.sharing import shared_part
from kubefuture.errors import UnpicklableError

from tests import needs
from tests.faults.descriptors import open_descriptors
from tests.faults.waiting import eventually

LARGE = BLOB_BYTES // 8 + 1
"""So many float64 are just large."""


@pytest.fixture
def hashed(monkeypatch):
    """The lengths of what is hashed from now on."""
    lengths = []
    copy, digest = blobs._copy, blobs._digest

    def counted(function):
        def count(buffers, *rest):
            lengths.append(sum(buffer.nbytes for buffer in buffers))
            return function(buffers, *rest)

        return count

    monkeypatch.setattr(blobs, "_copy", counted(copy))
    monkeypatch.setattr(blobs, "_digest", counted(digest))
    return lengths


def there(value):
    """What a slot gets, how many bytes its pickle has, and the blobs."""
    payload, files = pack_large(value)
    return Loader([file.blob for file in files]).load(payload), len(payload), files


def numbers(count=LARGE):
    return np.random.default_rng(7).random(count)


class Frame:
    """Keeps its columns in blocks, as data frames do."""

    def __init__(self, blocks, names):
        self.blocks, self.names = blocks, names

    def __reduce__(self):
        return Frame, (self.blocks, self.names)


class Named(np.ndarray):
    """A subclass, with a state of its own."""

    def __array_finalize__(self, source):
        self.name = getattr(source, "name", "")

    def __reduce__(self):
        rebuild, arguments, state = super().__reduce__()
        return rebuild, arguments, (state, self.name)

    def __setstate__(self, state):
        super().__setstate__(state[0])
        self.name = state[1]


ARRAYS = {
    "in rows": lambda: numbers(2 * LARGE).reshape(2, -1),
    "in columns": lambda: np.asfortranarray(numbers(2 * LARGE).reshape(2, -1)),
    "with gaps": lambda: numbers(4 * LARGE)[::2],
    "backwards": lambda: numbers(2 * LARGE)[::-1],
    "structured": lambda: np.zeros(LARGE, dtype=[("a", "f8"), ("b", "i4")]),
    "of text": lambda: np.full(LARGE, "abc"),
    "of another byte order": lambda: numbers().astype(">f8"),
    "of dates": lambda: np.arange(LARGE).astype("datetime64[s]"),
    "masked": lambda: np.ma.masked_greater(numbers(), 0.5),
}


@pytest.mark.parametrize("kind", ARRAYS)
def test_R26_an_array_of_any_layout_leaves_the_pickle_and_comes_back_as_it_was(kind):
    array = ARRAYS[kind]()
    found, length, files = there(array)
    assert type(found) is type(array) and found.dtype == array.dtype
    assert np.array_equal(np.asarray(found), np.asarray(array))
    assert found.flags.f_contiguous == array.flags.f_contiguous or not array.flags.forc
    assert found.flags.writeable and length < 200_000 and files


def test_R26_a_subclass_keeps_its_class_and_state():
    array = numbers().view(Named)
    array.name = "here"
    found, length, _ = there(array)
    assert type(found) is Named and found.name == "here" and length < 10_000
    assert np.array_equal(found, array)


def test_R26_arrays_of_objects_and_without_dimensions_are_packed_as_they_are():
    objects = np.array([numbers(), "text", None], dtype=object)
    found, length, files = there(objects)
    assert np.array_equal(found[0], objects[0]) and list(found[1:]) == ["text", None]
    assert length < 10_000 and len(files) == 1, "what is in it leaves the pickle"
    found, _, files = there(np.array(3.5))
    assert found == 3.5 and found.shape == () and not files


def test_R26_read_only_stays_read_only_and_writable_writable():
    fixed = numbers()
    fixed.flags.writeable = False
    found, _, _ = there([fixed, numbers()])
    assert [array.flags.writeable for array in found] == [False, True]


@pytest.mark.parametrize("make", [np.zeros, bytes, bytearray], ids=["array", "bytes", "bytearray"])
def test_R26_what_has_one_mebibyte_stays_in_the_pickle_and_a_byte_more_leaves_it(make):
    unit = 8 if make is np.zeros else 1
    for length, leaves in ((BLOB_BYTES // unit, False), (BLOB_BYTES // unit + 1, True)):
        value = make(length)
        found, packed, files = there(value)
        assert bool(files) is leaves and (packed < 10_000) is leaves
        assert type(found) is type(value) and bytes(found) == bytes(value)


def test_R26_data_in_objects_closures_defaults_globals_and_partials_leaves_the_pickle():
    array, content = numbers(), os.urandom(BLOB_BYTES + 1)
    space = {"__name__": "__main__", "table": array}
    exec("def of_globals():\n    return table", space)

    class Model:
        def __init__(self):
            self.weights = {"deep": [array]}

        def fit(self):
            return self.weights["deep"][0]

    def with_default(x=array):
        return x

    for function in (
        lambda: array, with_default, space["of_globals"], Model().fit, functools.partial(np.asarray, array)
    ):  # fmt: skip
        payload, _, files = pack_function(function)
        assert len(payload) < 10_000 and [file.blob.size for file in files] == [array.nbytes]
        assert np.array_equal(Loader([file.blob for file in files]).load(payload)(), array)
    found, length, _ = there({"a": (content, [content])})
    assert found == {"a": (content, [content])} and length < 10_000


def test_R26_a_frame_of_blocks_leaves_the_pickle_block_by_block():
    frame = Frame([numbers(), numbers(3 * LARGE).reshape(3, -1), np.arange(5)], ["a", "b"])
    found, length, files = there(frame)
    assert len(files) == 2 and length < 10_000 and found.names == ["a", "b"]
    assert all(map(np.array_equal, found.blocks, frame.blocks))


def test_R28_what_is_one_object_here_is_one_object_there():
    array, content, mutable = numbers(), os.urandom(BLOB_BYTES + 1), bytearray(BLOB_BYTES + 1)
    twin = bytearray(mutable)
    found, _, files = there([array, array, content, content, mutable, mutable, twin])
    assert found[0] is found[1] and found[2] is found[3] and found[4] is found[5]
    assert found[5] is not found[6], "equal, but another one"
    assert len(files) == 3
    found[4][0] = 1
    assert found[5][0] == 1 and found[6][0] == 0


def test_R26_views_of_one_array_come_back_equal():
    array = numbers(3 * LARGE)
    views = [array, array[:LARGE], array[LARGE:], array.reshape(3, -1), array[1:]]
    found, length, _ = there(views)
    assert all(map(np.array_equal, found, views)) and length < 10_000


@pytest.mark.parametrize("gaps", [False, True], ids=["contiguous", "with gaps"])
def test_R26_very_many_arrays_share_few_blobs(gaps):
    step = 2 if gaps else 1
    arrays = [np.full(LARGE * step, number, dtype=float)[::step] for number in range(3 * BLOBS)]
    found, _, files = there(arrays)
    assert all(map(np.array_equal, found, arrays))
    assert len(files) <= BLOBS + 1
    found[0][:] = -1.0
    assert found[1][0] == 1.0 and found[-1][0] == 3 * BLOBS - 1


def test_R28_each_element_has_memory_of_its_own():
    array = numbers()
    payload, files = pack_large(array)
    loader = Loader([file.blob for file in files])
    first, second = loader.load(payload), loader.load(payload)
    first[:] = 0.0
    assert np.array_equal(second, array) and np.array_equal(loader.load(payload), array)


def test_R27_an_array_that_changed_is_another_blob_and_one_that_did_not_is_not_copied_twice():
    array = numbers()
    _, first = pack_large(array)
    _, same = pack_large(array)
    assert same[0] is first[0]
    array[-1] += 1
    found, _, changed = there(array)
    assert changed[0].blob.digest != first[0].blob.digest and found[-1] == array[-1]


def test_R26_the_part_that_cannot_be_packed_is_named_though_there_is_large_data_too():
    array, lock = numbers(), threading.Lock()
    with pytest.raises(UnpicklableError, match="closure variable 'lock'"):
        pack_function(lambda: (array, lock))
    with pytest.raises(UnpicklableError, match=r"What is to be shared .*\['lock'\]"):
        pack_shared({"array": array, "lock": lock})


def test_R29_memory_is_given_back_when_nothing_refers_to_it_any_more():
    if sys.platform != "linux":
        needs.missing("/proc/self/fd")
    before = open_descriptors(os.getpid())
    value = {"a": numbers(), "b": os.urandom(2 * BLOB_BYTES), "c": [np.zeros(LARGE) for _ in range(50)]}
    found, _, files = there(value)
    del files, found
    shared = kf.share([numbers(2 * LARGE)])
    part = shared[0][LARGE:]
    del shared
    gc.collect()
    assert len(open_descriptors(os.getpid()) - before) == 2, (
        "a part keeps what it is a part of, and its mapping"
    )
    del part
    gc.collect()
    assert open_descriptors(os.getpid()) <= before


def test_R27_what_is_shared_and_parts_of_it_are_known_and_never_hashed_again(hashed):
    array = numbers(4 * LARGE).reshape(4, -1)
    shared = kf.share({"array": array, "small": np.arange(3), "text": "x"})
    known = shared["array"]
    assert np.array_equal(known, array) and not known.flags.writeable and shared["text"] == "x"
    with pytest.raises(ValueError, match="read-only"):
        known[0, 0] = 1.0
    hashed.clear()
    for part in (known, known[1:], known[1], known.T, known[:, 0], known[::2], known.ravel()[LARGE:]):
        assert np.array_equal(there(part)[0], part)
        files: dict = {}
        payload = pack_element((part,), {"also": part}, 0, files)
        (found,), others = Loader([file.blob for file in files.values()]).load(payload)
        assert np.array_equal(found, part) and np.array_equal(others["also"], part)
        if part.flags.c_contiguous:
            assert len(payload) < 10_000 and not found.flags.writeable
    assert not [length for length in hashed if length >= known.nbytes], "only copies with gaps are new data"
    hashed.clear()
    pack_function(lambda: (known, known[2:]))
    pack_large([known, known[1:]])
    assert not hashed


def test_R27_shared_bytes_are_known_as_arguments_too(hashed):
    content = kf.share(os.urandom(2 * BLOB_BYTES))
    hashed.clear()
    files: dict = {}
    payload = pack_element((content,), None, 0, files)
    assert len(payload) < 1000 and not hashed
    assert Loader([file.blob for file in files.values()]).load(payload) == ((content,), None)
    mixed = kf.share({"bytes": bytes(2 * BLOB_BYTES), "array": bytearray(2 * BLOB_BYTES)})
    assert mixed == {"bytes": bytes(2 * BLOB_BYTES), "array": bytearray(2 * BLOB_BYTES)}


def test_R27_memory_that_was_shared_once_is_not_taken_for_it_later():
    for number in range(20):
        shared = kf.share(np.full(LARGE, number))
        assert shared_part(memoryview(shared)) is not None
        del shared
        gc.collect()
        other = np.full(LARGE, -1)
        assert shared_part(memoryview(other)) is None
        assert there(other)[0][0] == -1


def test_R27_what_is_not_large_is_not_shared():
    small = [1, "a", np.arange(4)]
    assert kf.share(small) is small


def test_R26_threads_pack_at_the_same_time():
    arrays = [np.full(LARGE + number % 3, number, dtype=float) for number in range(12)]
    problems: list[object] = []

    def pack(array):
        for _ in range(5):
            if not np.array_equal(there(array)[0], array):
                problems.append(array[0])

    def careful(array):
        try:
            pack(array)
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=careful, args=(array,)) for array in arrays]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems


def test_R26_a_path_that_leads_to_other_data_by_now_is_noticed():
    if sys.platform != "linux":
        needs.missing("/proc")
    _, files = pack_large(numbers())
    stale, handle = files[0].blob, files[0]._handle
    del files
    gc.collect()
    _, others = pack_large(np.zeros(LARGE))
    assert (others[0]._handle, others[0].blob.size) == (handle, stale.size), "the descriptor was used again"
    with pytest.raises(BlobError, match="is not what"):
        Mapped(stale)


def test_R26_the_fork_of_a_program_has_its_blobs_by_descriptors_of_its_own():
    """The parent gives its own back, and uses the numbers again."""
    if sys.platform != "linux":
        needs.missing("fork, /proc")
    array, shared = numbers(), kf.share(numbers(2 * LARGE))
    _, files = pack_large(array)
    ours, theirs = multiprocessing.Pipe()
    child = os.fork()
    if child == 0:
        result = False
        try:
            theirs.recv()
            found = [there(array), there(shared[LARGE:])]
            own = all(f"/proc/{os.getpid()}/" in file.blob.path for one in found for file in one[2])
            result = own and np.array_equal(found[0][0], array)
            result = result and np.array_equal(found[1][0], shared[LARGE:])
        finally:
            theirs.send(bool(result))
            os._exit(0)
    del files, shared
    gc.collect()
    ours.send("the parent's are closed")
    assert ours.recv() is True
    eventually(lambda: os.waitpid(child, os.WNOHANG)[0] == child, "the child's end")


def test_R26_memory_that_is_full_is_an_error_that_says_so(monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    array = numbers()
    with pytest.raises(UnpicklableError, match="No space left on device"):
        pack_function(lambda: array)


def test_R26_what_refers_to_a_blob_that_is_not_there_says_so():
    payload, files = pack_large(numbers())
    with pytest.raises(BlobError, match="did not come along"):
        Loader([]).load(payload)
    blob = files[0].blob
    gone = type(blob)(blob.digest, blob.size, problem=" on there: no space")
    with pytest.raises(
        BlobError, match=f"{blob.size} bytes of captured data could not be had on there: no space"
    ):
        Loader([gone]).load(payload)
