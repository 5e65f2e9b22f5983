"""The files that slots print to lose nothing but their middle, and that only when it is too long (R16)."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from kubefuture.core.printed import MOST_BYTES, NOTICE
from kubefuture.core.streams import make_stream, own_view, squeeze, take

LINES = 1_000_000

WRITER = """
import os, sys
for first in range(0, {lines}, 1000):
    os.write(int(sys.argv[1]), b"".join(b"line %d\\n" % line for line in range(first, first + 1000)))
"""


@pytest.fixture
def stream():
    handle = make_stream()
    view = own_view(handle)
    yield handle, view
    os.close(handle)
    os.close(view)


def test_R16_what_is_printed_while_the_middle_is_given_back_is_not_lost(stream):
    handle, view = stream
    command = [sys.executable, "-c", WRITER.format(lines=LINES), str(handle)]
    with subprocess.Popen(command, pass_fds=[handle]) as writer:
        while writer.poll() is None:
            squeeze(view)
    whole = sum(len(b"line %d\n" % line) for line in range(LINES))
    assert os.fstat(handle).st_size == whole
    content = take(handle)
    half = MOST_BYTES // 2
    assert content.startswith(b"line 0\nline 1\n") and content.endswith(b"\nline 999999\n")
    assert content[half:].startswith(NOTICE) and len(content) == MOST_BYTES + len(NOTICE)
    tail = content[half + len(NOTICE) :].split(b"\n")[1:-1]
    assert tail == [b"line %d" % line for line in range(LINES - len(tail), LINES)], "not a byte is missing"
    assert take(handle) == b""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it stays on the disk until the element ends")
def test_R16_endless_output_needs_no_endless_memory(stream):
    handle, view = stream
    for _ in range(40):
        os.write(handle, bytes(MOST_BYTES))
        squeeze(view)
        assert os.fstat(handle).st_blocks * 512 <= 3 * MOST_BYTES


def test_R16_what_is_not_too_long_is_all_kept(stream):
    handle, view = stream
    os.write(handle, b"x" * MOST_BYTES)
    squeeze(view)
    assert take(handle) == b"x" * MOST_BYTES
