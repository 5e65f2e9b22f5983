"""Where no thread can be started for a moment, as with a limit on a pod's processes, it is tried again."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path

import pytest
from kubefuture.core.blob_arrival import Arrival
from kubefuture.protocol.messages import BlobPart
from kubefuture.worker.output import Outlet

from tests.faults.waiting import eventually


@pytest.fixture
def one_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first thread of ours cannot be started."""
    start, failed = threading.Thread.start, threading.Event()

    def begin(thread: threading.Thread) -> None:
        if thread.name.startswith("kubefuture-") and not failed.is_set():
            failed.set()
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", begin)


def test_what_slots_print_is_passed_on_with_their_next_words(one_fails: None) -> None:
    ours, theirs = os.pipe()
    outlet = Outlet(theirs, theirs)
    outlet.write(theirs, b"one ")
    outlet.write(theirs, b"two")
    said = b""
    while len(said) < 7:
        said += os.read(ours, 100)
    assert said == b"one two"
    outlet.close()
    os.close(ours)
    os.close(theirs)


def test_a_blob_is_asked_for_again_and_arrives(one_fails: None, tmp_path: Path) -> None:
    content = b"x" * 100
    arrival = Arrival(hashlib.sha256(content).digest(), len(content), tmp_path / "draft", lambda: None)
    assert arrival.wanted() is None
    assert arrival.wanted() is not None
    arrival.take(BlobPart(arrival.digest, 0, memoryview(content)))
    eventually(lambda: arrival.finished, "its arrival")
