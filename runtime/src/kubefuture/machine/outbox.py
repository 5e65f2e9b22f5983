"""What the machine wants sent, gathered until its host asks, so that many small things are one write."""

from __future__ import annotations

from ..protocol.messages import Function, Lease, Message, Results, Run, Span

Peer = int
"""Names a conversation. The host chooses the numbers, which are positive, and never uses one twice."""

NOBODY: Peer = 0
"""What is sent to this peer is dropped."""


class Outbox:
    """Messages by peer, in order."""

    def __init__(self) -> None:
        self._messages: dict[Peer, list[Message]] = {}
        self._runs: dict[tuple[Peer, int], Run] = {}
        self._spans: dict[Peer, list[Span]] = {}
        self._first: dict[Peer, list[Message]] = {}

    def send(self, peer: Peer, message: Message) -> None:
        """A message that has nothing to do with one slot."""
        self._messages.setdefault(peer, []).append(message)

    def send_first(self, peer: Peer, message: Message) -> None:
        """A message that goes before the results which wait already."""
        self._first.setdefault(peer, []).append(message)

    def send_slot(self, peer: Peer, slot: int, message: Message) -> None:
        """A message about one slot; leases that come later are sent after it."""
        self._runs.pop((peer, slot), None)
        self.send(peer, message)

    def lease(
        self, peer: Peer, slot: int, lease: Lease, function: Function | None, forget: list[int]
    ) -> None:
        """A lease for a slot, with its function if the slot does not have that yet."""
        run = self._runs.get((peer, slot))
        if run is None:
            functions = [] if function is None else [function]
            run = self._runs[peer, slot] = Run(slot, functions, forget, [lease])  # its lists may grow
            self._messages.setdefault(peer, []).append(run)
            return
        if function is not None:
            run.functions.append(function)
        run.forget.extend(forget)
        run.leases.append(lease)

    def result(self, peer: Peer, span: Span) -> None:
        """Results for a client."""
        self._spans.setdefault(peer, []).append(span)

    def drop(self, peer: Peer) -> None:
        """Forgets what was for a peer that is gone."""
        self._messages.pop(peer, None)
        self._spans.pop(peer, None)
        self._first.pop(peer, None)
        for key in [key for key in self._runs if key[0] == peer]:
            del self._runs[key]

    def take(self) -> dict[Peer, list[Message]]:
        """Everything to send now, by peer; results before what followed them."""
        taken, self._messages = self._messages, {}
        if self._runs:
            self._runs = {}
        if self._spans:
            for peer, spans in self._spans.items():
                taken.setdefault(peer, []).insert(0, Results(spans))
            self._spans = {}
        if self._first:
            for peer, messages in self._first.items():
                taken.setdefault(peer, [])[:0] = messages
            self._first = {}
        taken.pop(NOBODY, None)
        return taken
