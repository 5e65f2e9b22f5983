"""Named maps: held by the journal, so that they outlive their client and the scheduler (R5, R6, R8).

The machine says what is to be recorded; its host commits it, and acknowledges nothing before::

    OpenNamed, Elements, Forget ──> State.records ──> journal ──> acknowledged, answered
    outcomes                    ──>               ──>         ──> acknowledged to the worker, told to who fetches
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from ..core.settings import LOSSES, STRIKES
from ..protocol.messages import (
    PROTOCOL,
    Attach,
    Blob,
    Environment,
    Forget,
    Forgotten,
    Hello,
    Named,
    NotNamed,
    OpenNamed,
)
from .calls import Call
from .functions import FunctionState
from .named_map import FORGOTTEN, NamedMap, Restored
from .records import (
    ElementsAccepted,
    MapAccepted,
    MapCancelled,
    MapForgotten,
    SessionOpened,
    TroubleCounted,
)
from .sessions import SessionState
from .slots import LeaseState
from .state import State


class NamedMaps:
    """All named maps of a scheduler.

    Args:
        state: The scheduler's.
        next_key: The journal's next number; None where there is no journal.
    """

    def __init__(self, state: State, next_key: int | None) -> None:
        self._state = state
        self._next_key = next_key
        self._by_name: dict[str, NamedMap] = {}
        self._by_key: dict[int, NamedMap] = {}

    @property
    def all(self) -> Collection[NamedMap]:
        """All of them."""
        return self._by_key.values()

    @property
    def blobs(self) -> Iterator[Blob]:
        """What the maps' functions refer to."""
        for known in self._by_key.values():
            yield from known.call.function.message.blobs

    def fed_with(self, session: SessionState, function: int) -> Iterator[NamedMap]:
        """The maps whose elements this client hands over, for this function of its own."""
        for known in self._by_key.values():
            if known.feeder is session and known.feeding == function:
                yield known

    def get(self, key: int) -> NamedMap | None:
        """The map with this number, None when it was forgotten."""
        return self._by_key.get(key)

    def owner(self, call: Call) -> SessionState | None:
        """Whose slots run a named map, None for unnamed work."""
        known = self._by_key.get(call.key)
        return None if known is None else known.session

    def open(self, session: SessionState, message: OpenNamed) -> NamedMap | None:
        """Begins a map, or finds the one that the same client began before.

        Returns:
            A map that there was before, whose rest this client hands over.
        """
        outbox, peer = self._state.outbox, session.peer
        known = self._found(message)
        if known is None and message.key:
            outbox.send(peer, NotNamed(message.call, FORGOTTEN))
            return None
        mine = session.hello.identity, message.call
        if known is not None and (known.accepted.session, known.accepted.call) == mine:
            known.feeder, known.feeding, known.cut = session, message.function, False
            outbox.send(peer, Named(message.call, known.accepted.key, known.call.received, known.total))
            return known
        if known is not None and message.again:
            return known if self._take_up(session, message, known) else None
        reason = self._refusal(message.name, known)
        if reason or self._next_key is None:
            begun = known.accepted.created if known is not None else 0.0
            outbox.send(peer, NotNamed(message.call, reason, begun))
            return None
        key, self._next_key = self._next_key, self._next_key + 1
        call = session.open(message)
        call.key = key
        hello = session.hello
        accepted = MapAccepted(
            key, message.name, hello.identity, message.call, call.function.message, message.function_name,
            message.seed, message.total, message.chunk_size, message.retries, message.created,
        )  # fmt: skip
        self._add(NamedMap(accepted, session, session, message.function, call))
        self._state.records += [SessionOpened(hello.identity, hello.sys_path, hello.folder), accepted]
        self._opened("map-opened", known=self._by_key[key])
        outbox.send(peer, Named(message.call, key, 0, message.total))
        return None

    def _take_up(self, session: SessionState, message: OpenNamed, known: NamedMap) -> bool:
        """A run was started anew and has come to a map that it began before (R5)."""
        accepted = known.accepted
        before = accepted.function_name, accepted.total, accepted.seed
        now = message.function_name, message.total, message.seed
        if before != now:
            reason = (
                f"This run began its map {message.name!r} as {_words(*before)}, and now asks for {_words(*now)}. "
                "A run that is started anew must come to the same maps in the same order. Start a new run, or "
                f"remove what there is with kf.forget({message.name!r})."
            )
            self._state.outbox.send(session.peer, NotNamed(message.call, reason))
            return False
        known.feeder, known.feeding, known.cut = session, message.function, False
        session.fed[message.call] = known.call
        self._state.outbox.send(
            session.peer, Named(message.call, accepted.key, known.call.received, known.total)
        )
        return True

    def attach(self, session: SessionState, message: Attach) -> None:
        """Somebody wants the results of a map."""
        known = self._found(message)
        if known is None:
            reason = FORGOTTEN if message.key else self._unknown(message.name)
            self._state.outbox.send(session.peer, NotNamed(message.call, reason))
        else:
            key = known.accepted.key
            self._state.happened("map-attached", known.session, known.call, by=session.hello.identity)
            self._state.outbox.send(session.peer, Named(message.call, key, known.call.received, known.total))

    def forget(self, session: SessionState, message: Forget) -> NamedMap | None:
        """A map is not wanted any more. Returns it if it is to be cancelled."""
        known, outbox = self._found(message), self._state.outbox
        if known is None:
            outbox.send(session.peer, NotNamed(message.call, self._unknown(message.name)))
            return None
        if not message.key:
            outbox.send(
                session.peer, Named(message.call, known.accepted.key, known.call.received, known.total)
            )
            return None
        del self._by_name[message.name], self._by_key[known.accepted.key]
        known.call.key = 0
        self._state.records.append(MapForgotten(known.accepted.key))
        self._state.happened("map-forgotten", known.session, known.call, name=message.name)
        outbox.send(session.peer, Forgotten(message.call))
        return known

    def feeds(self, session: SessionState, call: Call) -> bool:
        """Whether a client is the one that hands over a map's elements, and there are more to come."""
        known = self._by_key.get(call.key)
        return known is not None and known.feeder is session and not (call.complete or call.cancelled)

    def accept(self, call: Call, start: int, payloads: list[bytes], *, last: bool) -> None:
        """Elements arrived."""
        self._state.records.append(ElementsAccepted(call.key, start, payloads, last))

    def put_away(self, key: int, start: int, payloads: Sequence[bytes | None]) -> None:
        """The host has put arguments of a map away, and gives what stands for them."""
        known = self._by_key.get(key)
        if known is not None:
            known.call.put_away(start, payloads)

    def cancelled(self, call: Call) -> None:
        """A map is cancelled; what it has stays."""
        known = self._by_key.get(call.key)
        if known is not None and not known.over:
            known.cancelled = True
            self._state.records.append(MapCancelled(call.key))

    def client_left(self, session: SessionState) -> None:
        """Maps that it had not handed over completely stay incomplete."""
        for named in self._by_key.values():
            if named.feeder is session and not named.call.complete:
                named.cut = True

    def restore(self, stored: Restored, now: float) -> None:
        """A map of a journal that an earlier scheduler wrote."""
        identity, accepted = stored.session.identity, stored.accepted
        hello = Hello(
            "client", PROTOCOL, identity, "", 0, Environment(""),
            sys_path=stored.session.sys_path, folder=stored.session.folder,
        )  # fmt: skip
        session = self._state.session(hello)
        session.since, session.told = now, False
        function = session.functions.get(accepted.function.id) or FunctionState(accepted.function)
        call = Call(accepted.call, function, accepted.total, accepted.chunk_size, accepted.retries)
        call.restore(stored.payloads, stored.troubles, stored.blamed, complete=stored.complete)
        call.key = accepted.key
        known = NamedMap(accepted, session, session, accepted.function.id, call, stored.cancelled)
        self._add(known)
        if known.over:
            if stored.cancelled:
                call.cancelled = True
            return
        self._opened("map-restored", known)
        session.calls[call.id] = call
        session.functions[accepted.function.id] = function
        function.calls += 1
        function.released = True  # unless its client is back and uses it
        session.enqueue(call)

    def _opened(self, event: str, known: NamedMap) -> None:
        accepted, call = known.accepted, known.call
        total = accepted.total if accepted.total >= 0 else None
        self._state.happened(
            event, known.session, call, name=accepted.name, function=accepted.function_name, elements=total,
            settled=call.settled or None,
        )  # fmt: skip

    def _add(self, named: NamedMap) -> None:
        self._by_name[named.accepted.name] = named
        self._by_key[named.accepted.key] = named

    def _found(self, message: OpenNamed | Attach | Forget) -> NamedMap | None:
        """The map of this name; none when it is another one than the client means."""
        known = self._by_name.get(message.name)
        fits = known is not None and (message.key <= 0 or message.key == known.accepted.key)
        return known if fits else None

    def _refusal(self, name: str, known: NamedMap | None) -> str:
        if self._next_key is None:
            return "This scheduler keeps no journal, so a map cannot be named here."
        if known is not None:
            return (
                f"There is a map named {name!r} already: {known.accepted.function_name}, begun {{begun}}, "
                f"{known.call.settled} of {known.total if known.total >= 0 else 'some'} elements finished"
                f"{' and cancelled' if known.cancelled else ''}. Collect it with kf.attach({name!r}), or remove it "
                f"with kf.forget({name!r}), or choose another name."
            )
        if not self._state.room_for_work:
            return (
                "The journal has no room for new named work. Remove maps that are not needed any more with "
                "kf.forget(name), or free space on its disk."
            )
        return ""

    def _unknown(self, name: str) -> str:
        names = ", ".join(sorted(self._by_name)[:10]) or "none"
        return f"There is no map named {name!r} on this cluster. Those that there are: {names}."


_WORDS = {"strike": "element-struck", "loss": "element-lost"}


def trouble(state: State, lease: LeaseState, kind: str, index: int, reason: str = "") -> int:
    """Counts one more trouble of an element, also in the journal (R8), and returns how many it had.

    A worker tells once more of what was not acknowledged to it, perhaps to the next scheduler, which counts it
    once all the same (R7).
    """
    call = lease.call
    if call.has_counted(kind, index, lease.id):
        return call.had(kind, index)
    count = call.count(kind, index, lease.id)
    if call.key:
        state.records.append(TroubleCounted(call.key, kind, index, count, lease.id))
    state.retried += count <= {"retry": call.retries, "strike": STRIKES - 1, "loss": LOSSES - 1}[kind]
    word = _WORDS.get(kind) or ("element-retried" if count <= call.retries else "element-failed")
    state.happened(
        word, lease.session, call, element=index, count=count, worker=lease.slot.worker.hello.identity,
        slot=lease.slot.index, lease=lease.id, reason=reason or None,
    )  # fmt: skip
    return count


def untrouble(state: State, lease: LeaseState, kind: str, index: int) -> None:
    """Takes one trouble of an element back, also in the journal."""
    count = lease.call.uncount(kind, index)
    if lease.call.key:
        state.records.append(TroubleCounted(lease.call.key, kind, index, count))


def is_lasting(session: SessionState) -> bool:
    """Whether a session has named work to do, which outlives its client."""
    return any(call.key for call in session.calls.values())


def _words(function: str, total: int, seed: str) -> str:
    elements = f"{total} elements" if total >= 0 else "some elements"
    return f"{function} over {elements}" + (f" with seed {seed}" if seed else "")
