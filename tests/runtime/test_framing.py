"""Frames: however the bytes arrive, the messages are the same, and garbage is refused at once."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kubefuture.errors import ProtocolError
from kubefuture.protocol.framing import Decoder, frame
from kubefuture.protocol.limits import FRAME_BYTES
from kubefuture.protocol.messages import Bye, Cancel, Done, Function, Part, Results, Span

MESSAGES = [
    Bye(),
    Cancel((1, 2, 3)),
    Function(1, b"payload", True, False, b"seed"),
    Results([Span(1, 0, [b"", b"x" * 1000])]),
    Done([Part(7, 3, [b"result"], 0.5, True)]),
]


@settings(derandomize=True, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=60))
def test_messages_arrive_whole_however_they_are_cut(sizes):
    content, decoder, got = frame(MESSAGES), Decoder(), []
    position = 0
    while position < len(content):
        size = sizes[position % len(sizes)]
        got += decoder.feed(content[position : position + size])
        position += size
    assert got == MESSAGES


@pytest.mark.parametrize("extra", [-1, 0, 1, FRAME_BYTES, 3 * FRAME_BYTES + 5])
def test_a_long_message_is_several_frames(extra):
    function = Function(1, b"x" * (FRAME_BYTES + extra))
    content = frame([function, Bye()])
    assert list(Decoder().feed(content)) == [function, Bye()]
    decoder, got = Decoder(), []
    for start in range(0, len(content), 65536):
        got += decoder.feed(content[start : start + 65536])
    assert got == [function, Bye()]


def test_no_frame_is_longer_than_the_limit():
    content, position = frame([Function(1, b"x" * 3_000_000)]), 0
    while position < len(content):
        length = int.from_bytes(content[position : position + 4], "little") & ~(1 << 31)
        assert length <= FRAME_BYTES
        position += 4 + length
    assert position == len(content)


@pytest.mark.parametrize(
    "content",
    [
        (FRAME_BYTES + 1).to_bytes(4, "little"),
        b"\xff\xff\xff\x7f",
        b"GET / HTTP/1.1\r\n",
        (3).to_bytes(4, "little") + b"\xc1\xc1\xc1",
        (1).to_bytes(4, "little") + b"\x90",
        (6).to_bytes(4, "little") + b"\x91\xa4None",
    ],
    ids=[
        "too long",
        "much too long",
        "another protocol",
        "no msgpack",
        "nobody's message",
        "an unknown message",
    ],
)
def test_garbage_is_refused(content):
    with pytest.raises(ProtocolError):
        list(Decoder().feed(content))


@settings(derandomize=True, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_make_anything_but_messages_or_a_protocol_error(content):
    try:
        list(Decoder().feed(content))
    except ProtocolError:
        pass


def test_a_message_that_lacks_fields_or_has_wrong_ones_is_refused():
    good = frame([Cancel((1,))])
    for wrong in (b"\x91\xa6Cancel", b"\x92\xa6Cancel\xa1x", b"\x92\xa6Cancel\x91\xa1x"):
        with pytest.raises(ProtocolError):
            list(Decoder().feed(len(wrong).to_bytes(4, "little") + wrong))
    assert list(Decoder().feed(good)) == [Cancel((1,))]
