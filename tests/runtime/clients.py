"""The simulator's clients: the real ones, with wires in place of sockets."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kubefuture.backends.cluster import ClusterBackend
from kubefuture.client.calls import MapCall, TaskCall
from kubefuture.client.named import NamedCall, Naming
from kubefuture.client.session import Files
from kubefuture.machine.calls import Call
from kubefuture.machine.machine import Machine
from kubefuture.protocol.messages import (
    AnyMessage,
    Bye,
    Failure,
    Function,
    Message,
    PrintedCall,
    Results,
    Scale,
    Status,
)

from tests.runtime.ends import End
from tests.runtime.fakes import RUNS, check_failure
from tests.runtime.wires import Wire

if TYPE_CHECKING:
    from tests.runtime.world import World

LIMIT = 2.5
"""Seconds that an element may run."""


def has_ended(call: Call, index: int) -> bool:
    """Whether the scheduler has an element's outcome, perhaps before the client told of the element."""
    early = any(
        outcome.index == index
        if isinstance(outcome, Failure)
        else outcome.start <= index < outcome.start + len(outcome.payloads)
        for outcome in call.early or ()
    )
    return early or (index < call.received and call.is_settled(index))


@dataclass
class NamedMap:
    """A named map that a client hands over.

    Attributes:
        fed: So many of its elements were handed over.
    """

    name: str
    kinds: list[str]
    call: NamedCall
    fed: int = 0


class Client(End):
    """A program with a session.

    Attributes:
        over: The calls that nobody waits for any more.
        named: The named maps that it began.
        fetched: The outcomes that named calls have got, by the calls' numbers.
        keys: Which maps they are.
    """

    role = "client"

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world)
        self.name = name
        with self.process.running():
            self.backend = ClusterBackend(None)  # type: ignore[arg-type]
        self.name = self.backend._hello.identity
        self.session = self.backend.session
        self.futures: list[tuple[str, Future[Any], TaskCall]] = []
        self.maps: list[tuple[list[str], MapCall]] = []
        self.over: set[int] = set()
        self.named: list[NamedMap] = []
        self.fetched: dict[int, set[int]] = {}
        self.keys: dict[int, int] = {}
        settled = self.session.acknowledged

        def acknowledged(message: Message) -> None:
            settled(message)
            world.book.acknowledged(self, message)

        self.session.acknowledged = self.backend._conversation._settled = acknowledged  # type: ignore[method-assign]
        self.connect()

    @property
    def host(self) -> Any:
        return self.backend

    def receive(self, messages: list[AnyMessage]) -> None:
        """Messages arrive; every result is of an element that somebody waits for, or waited until lately."""
        for message in messages:
            if isinstance(message, Results):
                for span in message.spans:
                    self._expects(span.call, range(span.start, span.start + len(span.payloads)))
            elif isinstance(message, Failure):
                self._expects(message.call, range(message.index, message.index + 1))
                self._may_fail(message)
            elif isinstance(message, Status):
                self.backend._scaling.wish = None
            self.world.book.hears(self, message)
        super().receive(messages)
        self.world.book.heard(self)

    def parted(self, wire: Wire) -> None:
        """The connection has ended."""
        if self.wire is wire:
            self.wire = self.backend._link = self.backend._greeted = None

    def _function(self, files: Files, *, rng: bool = False) -> Function:
        return Function(0, self.name.encode(), rng, limit=LIMIT, blobs=tuple(file.blob for file in files))

    def submit(self, kind: str, retries: int = 0, files: Files = ()) -> None:
        """A single future, which may refer to captured data."""
        kind = f"{kind}-{next(self.world.serial)}"
        future: Future[Any] = Future()
        with self.process.running():
            function = self._function(files, rng=True)
            call = self.session.submit(function, kind.encode(), retries, future, files)
            self.futures.append((kind, future, call))

    def map(self, kinds: list[str], chunk_size: int = 0, retries: int = 0, files: Files = ()) -> None:
        """A map, whose elements come in two parts."""
        kinds = [f"{kind}-{next(self.world.serial)}" for kind in kinds]
        with self.process.running():
            call = self.session.start_map(
                self._function(files), files, total=len(kinds), chunk_size=chunk_size, retries=retries
            )
            half = len(kinds) // 2
            payloads = [kind.encode() for kind in kinds]
            self.session.add_elements(call, payloads[:half], last=False)
            self.session.add_elements(call, payloads[half:], last=True)
        self.maps.append((kinds, call))

    def begin(
        self, name: str, kinds: list[str], chunk_size: int = 0, files: Files = (), *, again: bool = False,
        retries: int = 0,
    ) -> None:  # fmt: skip
        """A named map, without elements at first; one that is begun again has the same ones."""
        kinds = [
            f"{kind}-{name if again else next(self.world.serial)}-{number}"
            for number, kind in enumerate(kinds)
        ]
        total = len(kinds) if again or len(kinds) % 2 else -1
        with self.process.running():
            naming = Naming(name, "f", again=again)
            call = self.session.start_map(
                self._function(files), files, naming,
                total=total, chunk_size=chunk_size, retries=retries,
            )  # fmt: skip
        assert isinstance(call, NamedCall)
        self.named.append(NamedMap(name, kinds, call))

    def feed(self, one: NamedMap, elements: int) -> None:
        """Hands over some more elements of a named map; with the last one that there are no more, or later."""
        if one.call.id in self.session._calls and not one.call.complete:
            start, one.fed = one.fed, min(one.fed + elements, len(one.kinds))
            payloads = [kind.encode() for kind in one.kinds[start : one.fed]]
            last = start + elements > len(one.kinds) or one.fed == one.call.total
            with self.process.running():
                self.session.add_elements(one.call, payloads, last=last)

    def refer(self, one: NamedMap, files: Files) -> None:
        """The next elements of a named map refer to more captured data."""
        if one.call.id in self.session._calls:
            with self.process.running():
                self.session.replace_function(one.call, self._function(files), files)

    def feed_all(self) -> None:
        """Hands over what is left of all named maps."""
        for one in self.named:
            self.feed(one, len(one.kinds) + 1)

    def attach(self, name: str) -> NamedCall:
        """Asks for a named map's outcomes."""
        with self.process.running():
            return self.session.ask(name)

    def forget(self, name: str) -> NamedCall:
        """Asks that a named map is forgotten."""
        with self.process.running():
            return self.session.ask(name, forget=True)

    def leave_named(self, number: int) -> None:
        """The caller does not wait for one of the named maps any more."""
        if self.named:
            with self.process.running():
                self.session.leave(self.named[number % len(self.named)].call)

    def cancel_named(self, number: int) -> None:
        """The caller cancels one of the named maps."""
        if self.named:
            with self.process.running():
                self.session.cancel(self.named[number % len(self.named)].call)

    def scale(self, slots: int) -> None:
        """Somebody wants another number of slots."""
        with self.process.running():
            self.backend._scaling.wish = Scale(slots)
            self.backend._send([self.backend._scaling.wish])

    def cancel(self, number: int) -> list[str]:
        """The caller loses interest in one of the calls; returns its elements."""
        calls = [([kind], call) for kind, _, call in self.futures] + [*self.maps]
        if not calls:
            return []
        kinds, call = calls[number % len(calls)]
        if call.id not in self.session._calls:
            return []
        if isinstance(call, TaskCall):
            next(future for _, future, one in self.futures if one is call).cancel()
        self.over.add(call.id)
        with self.process.running():
            self.session.cancel(call)
        return list(kinds)

    def only_here(self, machine: Machine) -> Iterator[tuple[str, str]]:
        """The unnamed elements that have ended for the scheduler, and not for this client yet."""
        session = machine._state.sessions.get(self.name)
        for call in self.session._calls.values():
            payloads = [call.payload] if isinstance(call, TaskCall) else getattr(call, "payloads", [])
            known = None if session is None else session.calls.get(call.id)
            begun = [index for index, payload in enumerate(payloads) if self._has_begun(payload)]
            if known is not None:
                begun = [index for index in begun if has_ended(known, index)]
            for index in begun:
                yield self.name, payloads[index].decode()

    def _has_begun(self, payload: bytes | None) -> bool:
        return payload is not None and RUNS[self.name, payload.decode()] > 0

    def leave(self) -> None:
        """Says goodbye (R10)."""
        if self.backend._link is not None and self.wire is not None:
            self.backend._link.send([Bye()])
        self.die()

    @property
    def ended(self) -> int:
        """How many elements have ended, for the caller."""
        of_maps = sum(
            1 if isinstance(item, Failure) else len(item.payloads)  # type: ignore[union-attr]
            for _, call in self.maps
            for item in call.arrived
            if not isinstance(item, PrintedCall)
        )
        return of_maps + sum(future.done() for _, future, _ in self.futures)

    def check(self) -> None:
        """Every element has ended exactly once, and as it had to."""
        for kind, future, _ in self.futures:
            assert future.done(), f"future {kind} has not ended"
            if not future.cancelled():
                error = future.exception()
                value = future.result() if error is None else type(error).__name__
                assert value == self._expected(kind, error)
        for kinds, call in self.maps:
            if call.cancelled:
                continue
            ended: list[int] = []
            for item in call.arrived:
                if isinstance(item, Failure):
                    ended.append(item.index)
                elif not isinstance(item, PrintedCall):
                    for index, payload in enumerate(item.payloads, item.start):  # type: ignore[union-attr]
                        ended.append(index)
                        assert pickle.loads(payload) == (self.name, kinds[index])
            assert sorted(ended) == list(range(len(kinds))), "each element ends once"

    def _expects(self, call_id: int, indices: range) -> None:
        call = self.session._calls.get(call_id)
        if call is None:
            assert call_id in self.over, "no result without its element, and none twice"
        elif isinstance(call, MapCall):
            assert all(call.payloads[index] is not None for index in indices), "no result comes twice"

    def _may_fail(self, failure: Failure) -> None:
        call = self.session._calls.get(failure.call)
        if isinstance(call, (MapCall, TaskCall)) and failure.kind != "withdrawn":
            payload = call.payload if isinstance(call, TaskCall) else call.payloads[failure.index]
            check_failure(self.name, payload.decode(), failure, call.retries)

    def _expected(self, kind: str, error: BaseException | None) -> Any:
        if type(error).__name__ in ("PoisonError", "TimeoutError"):
            return type(error).__name__  # whatever it does: slots are killed, and time passes while it runs
        if kind.startswith("slow"):
            return "TimeoutError"
        if error is not None and kind.startswith("once"):
            return "ValueError"
        return "ValueError" if kind.startswith("raise") else (self.name, kind)
