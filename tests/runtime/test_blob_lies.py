"""Who lies about blobs loses only its own connection; disks that are full or damaged are named (R6, R26, R31)."""

from __future__ import annotations

import hashlib
import os
import random
import resource
import secrets
import sys

import kubefuture as kf
import numpy as np
import pytest
from kubefuture.core.blobs import BlobError
from kubefuture.core.connection import Connection
from kubefuture.core.packing import pack_large
from kubefuture.core.version import own_environment
from kubefuture.errors import NamedMapError
from kubefuture.protocol.messages import (
    Blob,
    BlobMissing,
    BlobPart,
    BlobRefused,
    BlobWanted,
    Function,
    KeepBlob,
    Resumed,
    Welcome,
)

from tests import needs
from tests.faults.raw import RawPeer, raw_hello
from tests.faults.waiting import LIMIT, eventually
from tests.runtime.links import SIZE, FarCluster, far

__all__ = ["far"]

DIGEST = hashlib.sha256(b"nobody has this").digest()


def liar(far: FarCluster, role: str) -> RawPeer:
    """Somebody who has logged in and says what it is told to."""
    peer = RawPeer(Connection.load(far.connection)).log_in()
    peer.say(raw_hello(role, python=own_environment().python))
    assert isinstance(peer.hear(), Welcome)
    if role == "client":
        peer.say(Resumed())
    return peer


def hear(peer: RawPeer, kind: type) -> object:
    """The next message of a kind."""
    while not isinstance(message := peer.hear(), kind):
        pass
    return message


def numbers(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(SIZE // 8)


LIES = {
    "a part from a worker": ("worker", BlobPart(DIGEST, 0, b"x"), "A BlobPart does not belong here"),
    "a question of a client": ("client", BlobWanted(DIGEST, 0, 5), "A BlobWanted does not belong here"),
    "named work of a worker": ("worker", KeepBlob(DIGEST, 5), "A KeepBlob does not belong here"),
    "a negative range": ("worker", BlobWanted(DIGEST, -5, 5), "is no message of this protocol"),
    "a range beyond everything": ("worker", BlobWanted(DIGEST, 0, 1 << 63), "is no message of this protocol"),
    "a negative size": ("client", KeepBlob(DIGEST, -1), "is no message of this protocol"),
    "a size beyond everything": ("client", KeepBlob(DIGEST, 1 << 62), "is no message of this protocol"),
    "a digest that is none": ("client", KeepBlob(b"../../x", 5), "is no message of this protocol"),
    "a function with such a digest": (
        "client", Function(1, b"", blobs=(Blob(b"x" * 33, 5),)), "is no message of this protocol",
    ),
    "a negative place": ("client", BlobPart(DIGEST, -1, b"x"), "is no message of this protocol"),
}  # fmt: skip


def test_R31_who_breaks_the_rules_of_blobs_is_put_out_and_named_and_nobody_else_notices(far):
    array = numbers()
    for role, said, told in LIES.values():
        before = far.scheduler.text().count(told)
        with liar(far, role) as peer:
            peer.say(said)
            peer.hung_up()
        eventually(lambda: far.scheduler.text().count(told) > before, f"a line with: {told}")  # noqa: B023
    assert "Traceback" not in far.scheduler.text()
    assert kf.map(lambda x: float(array[x]), range(5)) == list(array[:5])


def test_R16_what_nobody_asked_for_and_what_nobody_has_changes_nothing(far):
    array = numbers()
    future = kf.future(lambda: float(array.sum()))
    assert future.result(LIMIT) == float(array.sum())
    eventually(lambda: not far.parts(), "the draft has got its name")
    digest = bytes.fromhex(far.files(far.scheduler_blobs)[0].name)
    with liar(far, "client") as client, liar(far, "worker") as worker:
        client.say(
            BlobPart(digest, 0, b"x" * 1000), BlobPart(DIGEST, 0, b"x"), BlobMissing(digest, "not true")
        )
        worker.say(BlobWanted(DIGEST, 0, 5))
        assert hear(worker, BlobMissing).digest == DIGEST
        worker.say(BlobWanted(digest, SIZE, SIZE + 1))
        assert f"{SIZE} bytes" in hear(worker, BlobMissing).reason
        worker.say(BlobMissing(digest, "not true either"), BlobWanted(digest, 0, 10))
        hear(worker, BlobPart)
        client.say(KeepBlob(DIGEST, 1 << 50))
        assert "do not fit" in hear(client, BlobRefused).reason
        client.say(KeepBlob(DIGEST, 5))
        assert hear(client, BlobWanted).digest == DIGEST
        client.say(BlobMissing(DIGEST, "after all"))
        assert hear(client, BlobRefused).digest == DIGEST
    assert far.to_client.parts == SIZE
    eventually(lambda: not far.parts(), "the end of all that arrives")


def test_R26_wrong_bytes_end_their_sender_and_who_has_the_right_ones_is_served(far):
    array = numbers()
    _, files = pack_large(array)
    blob = files[0].blob
    with liar(far, "client") as peer:
        peer.say(Function(1, b"", blobs=(Blob(blob.digest, SIZE),)), KeepBlob(blob.digest, SIZE))
        wanted = hear(peer, BlobWanted)
        future = kf.future(lambda: float(array.sum()))
        eventually(lambda: far.status().running == 1, "the honest one's lease")
        parts = range(wanted.start, wanted.stop, 1 << 17)
        peer.say(*(BlobPart(blob.digest, start, bytes(min(1 << 17, SIZE - start))) for start in parts))
        peer.hung_up()
        assert future.result(LIMIT) == float(array.sum())
    assert "the bytes of a blob are not those of its name" in far.scheduler.text()


def test_R26_a_wrong_length_for_anothers_blob_costs_that_one_nothing(far):
    array = numbers()
    _, files = pack_large(array)
    digest = files[0].blob.digest
    with liar(far, "client") as peer:
        peer.say(Function(1, b"", blobs=(Blob(digest, 5),)), KeepBlob(digest, 5))
        hear(peer, BlobWanted)
        future = kf.future(lambda: float(array.sum()))
        eventually(lambda: far.status().running == 1, "the honest one's lease")
        peer.say(BlobPart(digest, 0, b"12345"))
        peer.hung_up()
        assert future.result(LIMIT) == float(array.sum())


def memory(pid: int) -> int:
    """Bytes that a process has in memory."""
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_R31_thousands_of_messages_that_mean_nothing_cost_nothing(far):
    if sys.platform != "linux":
        needs.missing("/proc")
    array = numbers()
    assert kf.map(lambda x: float(array[x]), range(5)) == list(array[:5])
    eventually(lambda: not far.parts(), "the draft has got its name")
    pid, draw = far.scheduler.pid, random.Random(7)
    digests = [bytes.fromhex(far.files(far.scheduler_blobs)[0].name), DIGEST]
    threads, before = len(os.listdir(f"/proc/{pid}/task")), memory(pid)
    with liar(far, "client") as client, liar(far, "worker") as worker:
        for _ in range(3000):
            digest = draw.choice([*digests, secrets.token_bytes(32)])
            start = draw.choice([0, 1, SIZE - 1, SIZE, 1 << 40])
            worker.say(
                draw.choice([
                    BlobWanted(digest, start, min(start, SIZE) + 1), BlobWanted(digest, 5, 1), BlobMissing(digest, "x")
                ])
            )  # fmt: skip
            client.say(
                draw.choice([
                    BlobPart(digest, start, bytes(draw.choice([0, 1, 1000]))), BlobMissing(digest, "x"),
                    KeepBlob(secrets.token_bytes(32), draw.choice([1, 5, SIZE, 1 << 50])),
                ])
            )  # fmt: skip
    eventually(lambda: not far.parts(), "the end of all that arrives")
    eventually(lambda: len(os.listdir(f"/proc/{pid}/task")) <= threads + 1, "the end of the threads")
    assert memory(pid) < before + (48 << 20)
    assert "Traceback" not in far.scheduler.text()
    assert kf.map(lambda x: float(array[x]), range(5)) == list(array[:5])


def limit_files(pid: int, size: int) -> None:
    """No file of a process can become longer, as on a disk that is full."""
    if sys.platform != "linux":
        needs.missing("the limits of another process (Linux)")
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


@pytest.mark.parametrize("where", ["scheduler", "worker"])
def test_R16_a_disk_that_is_full_is_named_in_the_users_error_and_nothing_else_fails(far, where):
    array, small = numbers(), np.ones(1 << 18)
    limit_files(getattr(far, where).pid, 4 << 20)
    with pytest.raises(
        BlobError, match=rf"{SIZE} bytes of captured data could not be had on \S+: .*File too large"
    ):
        kf.map(lambda x: float(array[x]), range(5))
    assert kf.map(lambda x: float(small[x]), range(5)) == [1.0] * 5
    assert kf.map(abs, [-1]) == [1]
    limit_files(getattr(far, where).pid, resource.RLIM_INFINITY)
    assert kf.map(lambda x: float(array[x]), range(5)) == list(array[:5])
    eventually(lambda: not far.parts(), "all drafts have got their names")
    assert "Traceback" not in far.scheduler.text() + far.worker.text()


def test_R5_a_named_map_whose_data_cannot_be_kept_is_not_begun(far):
    array = numbers()
    limit_files(far.scheduler.pid, 4 << 20)
    with pytest.raises(
        NamedMapError, match=r"'work' cannot be begun, .*the scheduler cannot keep it: File too large"
    ):
        kf.map(lambda x: float(array[x]), range(5), name="work")
    limit_files(far.scheduler.pid, resource.RLIM_INFINITY)
    assert kf.map(lambda x: float(array[x]), range(5), name="work") == list(array[:5])
    kf.forget("work")


@pytest.mark.parametrize("how", ["changed", "shorter"])
def test_R29_a_damaged_file_of_the_scheduler_is_fetched_again(far, how):
    array = numbers()
    expected = [float(value) for value in array[:5]]
    assert kf.map(lambda x: float(array[x]), range(5)) == expected
    damage(far, how)
    far.kill_worker()
    far.start_worker()
    assert kf.map(lambda x: float(array[x]), range(5)) == expected
    assert far.to_client.parts == 2 * SIZE
    assert "blob-unsound" in far.scheduler.text() or "blob-unreadable" in far.scheduler.text()


def damage(far: FarCluster, how: str) -> None:
    eventually(lambda: not far.parts(), "all drafts have got their names")
    (file,) = far.files(far.scheduler_blobs)
    if how == "shorter":
        os.truncate(file, SIZE // 2)
    else:
        with file.open("r+b") as content:
            content.seek(SIZE // 2)
            content.write(b"damaged")


def test_R26_the_reading_of_a_blob_that_is_cut_off_by_a_lie_goes_on_with_another_client(far):
    """The liar leaves in the middle, without a word."""
    array = numbers()
    _, files = pack_large(array)
    digest = files[0].blob.digest
    with liar(far, "client") as peer:
        peer.say(Function(1, b"", blobs=(Blob(digest, SIZE),)), KeepBlob(digest, SIZE))
        hear(peer, BlobWanted)
        peer.say(BlobPart(digest, 0, bytes(1000)))
        future = kf.future(lambda: float(array.sum()))
        eventually(lambda: far.status().running == 1, "the honest one's lease")
    assert future.result(LIMIT) == float(array.sum())
