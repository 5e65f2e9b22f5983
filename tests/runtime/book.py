"""What was promised about named maps, written down when it is promised, and held against what comes (R5, R6, R8)."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kubefuture.client.named import NamedCall
from kubefuture.protocol.messages import (
    AnyMessage,
    Cancel,
    Failure,
    Fetched,
    Forgotten,
    Message,
    Named,
    NotNamed,
)

from tests.runtime.fakes import RUNS, check_failure
from tests.runtime.stepped import rows

if TYPE_CHECKING:
    from tests.runtime.clients import Client
    from tests.runtime.world import World


@dataclass
class Entry:
    """One named map.

    Attributes:
        key: The journal's number of it.
        owner: Whose slots run it.
        kinds: Its elements.
        retries: How often one that raised is tried again.
        accepted: A client may have left since it was told that all of it is accepted.
        unwanted: Somebody asked to forget it.
        gone: And was told that it is.
        cancelled: Its cancel was acknowledged.
        outcomes: What was fetched, by index.
    """

    key: int
    name: str
    owner: str
    kinds: list[str]
    retries: int = 0
    accepted: bool = False
    unwanted: bool = False
    gone: bool = False
    cancelled: bool = False
    outcomes: dict[int, bytes] = field(default_factory=dict)


class Book:
    """All that was promised.

    Attributes:
        entries: Every map that a client was told the number of, by that.
    """

    def __init__(self, world: World) -> None:
        self.entries: dict[int, Entry] = {}
        self._world = world
        self._over: dict[tuple[str, str], int] = {}

    def hears(self, client: Client, message: AnyMessage) -> None:
        """A message is about to arrive at a client."""
        if not isinstance(message, (Named, NotNamed, Fetched, Forgotten)):
            return
        call = client.session._calls.get(message.call)
        if not isinstance(call, NamedCall):
            return
        if isinstance(message, Named):
            self._named(client, call, message)
        elif isinstance(message, Fetched):
            self._fetched(client, call, message)
        elif call.forgets and call._named_as:
            self._entry(call._named_as, call).gone = True

    def heard(self, client: Client) -> None:
        """A message has arrived."""
        for one in client.named:
            if one.call._named_as and not one.call.cancelled and one.call.accepted:
                self.entries[one.call._named_as].accepted = True

    def acknowledged(self, client: Client, message: Message) -> None:
        """The scheduler vouches for what a client said."""
        if isinstance(message, Cancel):
            for one in client.named:
                if one.call.id in message.calls and one.call._named_as:
                    self.entries[one.call._named_as].cancelled = True

    def look(self) -> None:
        """The scheduler that there is remembers what was promised."""
        for key, known in self._world.machine.named._by_key.items():
            entry = self.entries.get(key)
            if entry is not None:
                assert not entry.gone, f"{entry.name} (map {key}) was forgotten and has come back"
                assert not entry.cancelled or known.over, (
                    f"{entry.name} (map {key}) was cancelled and goes on"
                )
                assert entry.name == known.accepted.name

    def may_wait(self, call: object) -> bool:
        """Whether it is for others to end a call: a map that nobody hands over any more, but who may be back."""
        if not isinstance(call, NamedCall) or not call.asked:
            return False
        known = self._world.machine.named._by_key.get(call._key)
        return known is not None and not known.over

    def check(self) -> None:
        """After everything has come to rest."""
        for element, runs in self._over.items():
            assert RUNS[element] == runs, f"{element} was cancelled or forgotten and has run again"
        over = [entry for entry in self.entries.values() if entry.gone or entry.cancelled]
        elements = [(entry.owner, kind) for entry in over for kind in entry.kinds]
        self._over = {element: RUNS[element] for element in elements}

    def finish(self) -> None:
        """The next scheduler has all that was accepted; it is collected, forgotten, and nothing is left."""
        world = self._world
        world.kill_scheduler()
        world.settle()
        client = world.clients[0]
        present = {known.accepted.name: key for key, known in world.machine.named._by_key.items()}
        for entry in self.entries.values():
            if entry.accepted and not entry.unwanted:
                assert present.get(entry.name) == entry.key, f"{entry.name} was accepted and is lost"
        calls = {name: client.attach(name) for name in present}
        world.settle()
        for name, key in present.items():
            known, fetched = world.machine.named._by_key[key], client.fetched.get(calls[name].id, set())
            accepted = key in self.entries and self.entries[key].accepted
            incomplete = known.cut and not known.call.finished
            assert not (incomplete and accepted and not known.cancelled), f"{name} was accepted, all of it"
            assert calls[name].cancelled == (known.cancelled or incomplete)
            if calls[name].cancelled:
                continue
            assert sorted(fetched) == list(range(known.call.received)), "each element ends once"
            if accepted:
                assert len(fetched) == len(self.entries[key].kinds)
        asked = [client.forget(name) for name in present]
        world.settle()
        assert all(call.whole == 0 for call in asked)
        world.kill_scheduler()
        world.settle()
        world.later(3600.0)  # sessions that only a slot remembers
        world.settle()
        assert not world.machine.named._by_key, "what is forgotten stays forgotten"
        assert world.scheduler is not None and world.scheduler.journal is not None
        world.scheduler.journal._writer.tidy()  # type: ignore[attr-defined]
        assert not any(rows(world.scheduler.journal).values()), "rows of maps that are forgotten"

    def _named(self, client: Client, call: NamedCall, message: Named) -> None:
        before = client.keys.setdefault(call.id, message.key)
        assert before == message.key, "a call means one map for ever, also when another one has its name"
        if call.forgets:
            self._entry(message.key, call).unwanted = True
            return
        own = next((one for one in client.named if one.call is call), None)
        if own is not None:
            entry = self._entry(message.key, call)
            entry.kinds, entry.retries = entry.kinds or own.kinds, own.call.retries
        known = self._world.machine.named._by_key.get(message.key) if self._world.scheduler else None
        if known is not None:
            self._entry(message.key, call).owner = known.accepted.session
        if own is not None:
            assert self.entries[message.key].kinds == own.kinds

    def _entry(self, key: int, call: NamedCall) -> Entry:
        """The map; somebody else's is known by its number only, until that one is told."""
        return self.entries.setdefault(key, Entry(key, call.naming.name, "", []))

    def _fetched(self, client: Client, call: NamedCall, message: Fetched) -> None:
        entry, seen = self._entry(call._key, call), client.fetched.setdefault(call.id, set())
        told: list[tuple[int, bytes, Any]] = []
        for span in message.spans:
            told += [(index, payload, None) for index, payload in enumerate(span.payloads, span.start)]
        told += [(failure.index, failure.payload, failure) for failure in message.failures]
        for index, payload, failure in told:
            assert index not in seen, "no outcome comes twice"
            seen.add(index)
            assert entry.outcomes.setdefault(index, payload) == payload, "what is recorded never changes"
            if entry.kinds and entry.owner:
                self._fits(entry, index, payload, failure)

    def _fits(self, entry: Entry, index: int, payload: bytes, failure: Failure | None) -> None:
        kind = entry.kinds[index]
        if failure is None:
            assert pickle.loads(payload)[:2] == (entry.owner, kind)
            return
        check_failure(entry.owner, kind, failure, entry.retries)
