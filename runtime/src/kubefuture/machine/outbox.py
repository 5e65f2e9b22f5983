"""What the machine wants sent, gathered until its host asks, so that many small things are one write."""

from __future__ import annotations

from ..protocol.messages import Function, Lease, Message, Results, Run, Span

Peer = int
"""Names a connection. The host chooses the numbers and never uses one twice."""


class _PendingRun:
    """A Run that still grows."""

    __slots__ = ("forget", "functions", "leases", "slot")

    def __init__(self, slot: int) -> None:
        self.slot = slot
        self.functions: list[Function] = []
        self.forget: list[int] = []
        self.leases: list[Lease] = []

    def message(self) -> Run:
        return Run(self.slot, self.functions, tuple(self.forget), self.leases)


class Outbox:
    """Messages by peer, in order."""

    def __init__(self) -> None:
        self._messages: dict[Peer, list[Message | _PendingRun]] = {}
        self._runs: dict[tuple[Peer, int], _PendingRun] = {}
        self._spans: dict[Peer, list[Span]] = {}

    def send(self, peer: Peer, message: Message) -> None:
        """A message that has nothing to do with one slot."""
        self._messages.setdefault(peer, []).append(message)

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
            run = self._runs[peer, slot] = _PendingRun(slot)
            self._messages.setdefault(peer, []).append(run)
        if function is not None:
            run.functions.append(function)
        if forget:
            run.forget.extend(forget)
        run.leases.append(lease)

    def result(self, peer: Peer, span: Span) -> None:
        """Results for a client."""
        self._spans.setdefault(peer, []).append(span)

    def drop(self, peer: Peer) -> None:
        """Forgets what was for a peer that is gone."""
        self._messages.pop(peer, None)
        self._spans.pop(peer, None)
        for key in [key for key in self._runs if key[0] == peer]:
            del self._runs[key]

    def take(self) -> dict[Peer, list[Message]]:
        """Everything to send now, by peer; results before what followed them."""
        taken: dict[Peer, list[Message]] = {}
        if self._spans:
            for peer, spans in self._spans.items():
                taken[peer] = [Results(spans)]
            self._spans = {}
        if self._messages:
            for peer, messages in self._messages.items():
                ready = [item.message() if isinstance(item, _PendingRun) else item for item in messages]
                taken.setdefault(peer, []).extend(ready)
            self._messages = {}
            self._runs.clear()
        return taken
