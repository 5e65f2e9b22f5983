"""A folder of blobs: what arrives is verified, what nothing needs makes room (R26, R29)."""

from __future__ import annotations

import hashlib
import itertools
import os

import pytest
from kubefuture.core.blob_arrival import Arrival
from kubefuture.core.blob_folder import BlobFolder
from kubefuture.core.blob_lane import Lane
from kubefuture.core.settings import BLOB_PART, BLOB_SECONDS, BLOB_WINDOW
from kubefuture.protocol.messages import BlobMissing, BlobPart, BlobWanted

from tests.faults.waiting import eventually

SIZE = 1 << 20


class Folder:
    """A folder under test, what is used of it, and the time."""

    def __init__(self, path, limit=3 * SIZE):
        self.used: set[bytes] = set()
        self.blobs = BlobFolder(path, lambda: None, lambda: self.used, limit)
        self.path = path
        self.now = 1000.0

    def put(self, content, **how):
        """Lets one arrive; returns its digest."""
        digest = hashlib.sha256(content).digest()
        give(arrival := self.blobs.begin(digest, len(content), **how), content)
        eventually(lambda: arrival.over, "its arrival")
        self.now += 1.0
        self.blobs.end(arrival, self.now)
        return digest

    @property
    def names(self):
        return {bytes.fromhex(file.name) for file in self.path.iterdir()}


@pytest.fixture
def folder(tmp_path):
    made = Folder(tmp_path / "blobs")
    yield made
    made.blobs.close()


def give(arrival: Arrival, content: bytes) -> None:
    """Answers all that an arrival asks for."""
    while not arrival.over:
        wanted = arrival.wanted()
        if wanted is None:
            if arrival.written == len(content):
                return
            continue
        for start in range(wanted.start, wanted.stop, BLOB_PART):
            arrival.take(
                BlobPart(arrival.digest, start, content[start : min(wanted.stop, start + BLOB_PART)])
            )


def random(size=SIZE):
    return os.urandom(size)


def test_R29_what_was_not_used_for_longest_makes_room_and_what_is_used_stays(folder):
    first, second, third = (folder.put(random()) for _ in range(3))
    folder.used = {first}
    folder.blobs.collect(folder.now + 1)
    fourth = folder.put(random())
    assert folder.names == {first, third, fourth} and not folder.blobs.has(second)
    folder.used = {first, third, fourth}
    with pytest.raises(OSError, match=r"do not fit into .* that captured data may take in .*blobs"):
        folder.blobs.begin(hashlib.sha256(b"x").digest(), SIZE)
    assert folder.names == {first, third, fourth} and folder.blobs.taken == 3 * SIZE


def test_R29_nothing_goes_for_what_could_never_fit(folder):
    digests = {folder.put(random()) for _ in range(2)}
    with pytest.raises(OSError, match="do not fit"):
        folder.blobs.begin(bytes(32), 1 << 50)
    assert folder.names == digests


def test_R29_what_nothing_refers_to_goes_after_a_while(folder):
    digest, used = folder.put(random()), folder.put(random())
    folder.used = {used}
    folder.blobs.collect(folder.now + BLOB_SECONDS - 5)
    assert folder.names == {digest, used}
    folder.blobs.collect(folder.now + BLOB_SECONDS + 5)
    assert folder.names == {used}


def test_R29_bytes_that_are_not_those_of_the_name_leave_nothing(folder):
    arrival = folder.blobs.begin(bytes(32), SIZE)
    give(arrival, random())
    eventually(lambda: arrival.over, "the verdict")
    assert arrival.lied and not arrival.finished
    folder.blobs.end(arrival, 0.0)
    eventually(lambda: not list(folder.path.iterdir()), "the end of its draft")
    assert not folder.blobs.has(bytes(32)) and folder.blobs.read(bytes(32), 0, 5) is None


def test_R29_an_arrival_that_ends_late_does_no_harm_to_the_next_one(folder):
    content = random()
    digest = hashlib.sha256(content).digest()
    for _ in range(30):
        early = folder.blobs.begin(digest, SIZE)
        wanted = early.wanted()
        assert wanted is not None
        early.take(BlobPart(digest, 0, content[:BLOB_PART]))
        folder.blobs.end(early, 0.0)
        assert folder.put(content) == digest
        assert folder.blobs.has(digest) and folder.blobs.read(digest, 5, 9) == content[5:9]
        folder.blobs.drop(digest)
    eventually(lambda: not list(folder.path.iterdir()), "the end of all drafts")


def test_R29_an_arrival_that_is_stopped_at_its_end_is_whole_or_leaves_nothing(folder):
    content = random()
    digest = hashlib.sha256(content).digest()
    for _ in range(50):
        arrival = folder.blobs.begin(digest, SIZE)
        assert arrival.wanted()
        for start in range(0, SIZE, BLOB_PART):
            arrival.take(BlobPart(digest, start, content[start : start + BLOB_PART]))
        folder.blobs.end(arrival, 0.0)
        if folder.blobs.has(digest):
            assert folder.path.joinpath(digest.hex()).read_bytes() == content
            folder.blobs.drop(digest)
        eventually(lambda: not list(folder.path.iterdir()), "the end of its draft")


def test_R16_an_arrival_takes_only_what_it_asked_for_and_what_follows(folder):
    content = random(2 * BLOB_WINDOW + 5)
    arrival = Arrival(
        hashlib.sha256(content).digest(), len(content), str(folder.path / "whole"), lambda: None
    )
    part = lambda start, length: BlobPart(arrival.digest, start, content[start : start + length])  # noqa: E731
    arrival.take(part(0, 100))
    wanted = arrival.wanted()
    assert wanted is not None and (wanted.start, wanted.stop) == (0, BLOB_WINDOW)
    arrival.take(part(0, BLOB_WINDOW + 1))
    arrival.take(part(5, 10))
    arrival.take(BlobPart(arrival.digest, 0, b""))
    assert arrival.written == 0 and arrival.wanted() is None
    arrival.take(part(0, 1000))
    arrival.parted()
    again = arrival.wanted()
    assert again is not None and again.start == 1000
    arrival.take(part(0, 1000))
    arrival.take(part(1000, 10))
    eventually(lambda: arrival.written == 1010, "what followed")
    arrival.stop()
    eventually(lambda: not list(folder.path.iterdir()), "the end of its draft")


def test_R29_a_folder_that_is_found_again_has_what_was_whole_and_touches_nothing_else(folder):
    kept, other, short = folder.put(random(), lasting=True), folder.put(random()), folder.put(random())
    folder.blobs.close()
    folder.path.joinpath(f"{kept.hex()}.7.part").write_bytes(b"half")
    folder.path.joinpath("notes.txt").write_text("somebody else's")
    os.truncate(folder.path / short.hex(), 5)
    found = BlobFolder(folder.path, lambda: None, lambda: set())
    found.keep_only({kept: SIZE, short: SIZE}, 0.0)
    assert {file.name for file in folder.path.iterdir()} == {kept.hex(), "notes.txt"}
    assert found.has(kept) and not found.has(other) and not found.has(short)
    assert found.synced == {kept}


def test_R29_a_file_that_became_shorter_is_an_error_and_not_a_wait_for_more(folder):
    digest = folder.put(random())
    os.truncate(folder.path / digest.hex(), 100)
    assert folder.blobs.read(digest, 0, 100)
    with pytest.raises(OSError, match="is shorter than"):
        folder.blobs.read(digest, 50, 200)


def test_R6_what_was_not_asked_to_last_is_not_said_to(folder):
    assert folder.put(random()) not in folder.blobs.synced
    lasting = folder.put(random(), lasting=True)
    assert lasting in folder.blobs.synced
    folder.blobs.drop(lasting)
    assert lasting not in folder.blobs.synced


def test_R16_a_lane_stops_when_its_connection_is_full_and_blobs_take_turns():
    sent: list[object] = []
    lane = Lane(sent.extend, lambda digest, start, stop: bytes(stop - start) if digest != b"gone" else None)
    lane.pause(paused=True)
    for digest in (b"a", b"b"):
        lane.want(BlobWanted(digest, 0, 3 * BLOB_PART))
    assert not sent
    lane.pause(paused=False)
    assert [(part.digest, part.start) for part in sent] == [
        (digest, start * BLOB_PART) for start, digest in itertools.product(range(3), (b"a", b"b"))
    ]
    lane.want(BlobWanted(b"gone", 0, 5))
    assert isinstance(sent[-1], BlobMissing)
