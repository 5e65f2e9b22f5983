"""How much of a session's arguments is on the way at once, seen from the session (R16)."""

from __future__ import annotations

import threading

from kubefuture.api.futures import Future
from kubefuture.client.session import Session
from kubefuture.core.settings import WINDOW_BYTES
from kubefuture.protocol.messages import Elements, Function, Results, Span, Tasks

MIB = 1 << 20
LARGE = bytes(MIB)


class Way:
    """A session, and what it has sent and got no result for."""

    def __init__(self):
        self.sent = []
        self.waiting = []
        self.session = Session(threading.RLock(), self.take)

    def take(self, messages):
        for message in messages:
            if isinstance(message, Elements):
                start = sum(call == message.call for call, _ in self.sent)
                new = [(message.call, start + number) for number in range(len(message.payloads))]
            elif isinstance(message, Tasks):
                new = [(task.call, 0) for task in message.tasks]
            else:
                continue
            self.sent += new
            self.waiting += new

    def map(self, elements):
        call = self.session.start_map(Function(0, b"f"), total=elements, chunk_size=0, retries=0)
        self.session.add_elements(call, [LARGE] * elements, last=True)
        return call

    def answer(self, element):
        self.waiting.remove(element)
        self.session.receive(Results([Span(element[0], element[1], [b"\x05\x01"])]))


def test_R16_maps_and_futures_of_a_session_share_one_window_and_all_is_sent():
    way = Way()
    maps = [way.map(100) for _ in range(5)]
    futures = [Future() for _ in range(80)]
    calls = [way.session.submit(Function(0, b"g"), LARGE, 0, future) for future in futures]
    most = WINDOW_BYTES // MIB + len(maps) + 1
    while way.waiting:
        assert len(way.waiting) <= most, "more than the window, and a little for each"
        way.answer(way.waiting[0])
    assert sorted(way.sent) == sorted(
        [(call.id, index) for call in maps for index in range(100)] + [(call.id, 0) for call in calls]
    )


def test_R16_nobody_waits_for_the_room_of_others_to_begin():
    way = Way()
    first = way.map(100)
    second = way.map(3)
    future = way.session.submit(Function(0, b"g"), LARGE, 0, Future())
    begun = {call for call, _ in way.sent}
    assert begun == {first.id, second.id, future.id}
    for _ in range(3):
        way.answer(next(element for element in way.waiting if element[0] == second.id))
    assert second.finished and not first.finished
