"""A worker maps the memory of programs on its machine, for each session its own (R26)."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from kubefuture.core import blobs
from kubefuture.core.blob_folder import BlobFolder
from kubefuture.protocol.messages import Function
from kubefuture.worker.blob_cache import BlobCache

from tests import needs

SIZE = 1 << 20


@pytest.fixture
def cache(tmp_path):
    """A worker's, of which slot 1 is an honest session's and slot 2 another's."""
    if not blobs._SEALED:
        needs.missing("sealed memory")
    folder = BlobFolder(tmp_path / "blobs", lambda: None, lambda: made.used, 3 * SIZE)
    made = BlobCache(folder, lambda _: None, lambda *_, **__: None)
    made.bound(1, "honest")
    made.bound(2, "other")
    yield made
    made.close()


def mapped(cache: BlobCache, slot: int, file: blobs.BlobFile, name: bytes) -> bytes:
    """What a slot finds in memory that its session calls by some digest."""
    function = Function(1, b"", blobs=(msgspec.structs.replace(file.blob, digest=name),))
    prepared = cache.prepare(slot, function)
    assert prepared is not None
    return Path(prepared.blobs[0].path).read_bytes()


def test_R26_memory_that_a_session_calls_by_a_false_name_is_mapped_for_no_other_session(cache):
    truth, lie = bytes(SIZE), b"x" * SIZE
    true_file, false_file = blobs.keep([memoryview(truth)]), blobs.keep([memoryview(lie)])
    name = true_file.blob.digest
    assert mapped(cache, 2, false_file, name) == lie
    assert mapped(cache, 1, true_file, name) == truth


def test_R29_what_a_session_maps_is_let_go_with_its_last_use_by_that_session(cache):
    file = blobs.keep([memoryview(bytes(SIZE))])
    for slot in (1, 2):
        mapped(cache, slot, file, file.blob.digest)
    near = dict(cache._near)
    cache.release(1)
    assert cache._near == {("other", file.blob.digest): near["other", file.blob.digest]}
    cache.release(2)
    assert not cache._near
