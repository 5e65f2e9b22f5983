"""What the scheduler does not keep in memory: long arguments, and results that clients do not take (R16).

    arguments of a named map   its journal                             ──> read when they are leased
    arguments of an unnamed    the shelf                               ──> read when they are leased
    messages for a client      the shelf, if it has much to acknowledge  ──> read when they are sent

The shelf has the journal's limits: what it takes counts, and where there is no room for new named work it takes
nothing but messages for clients, whose sessions are not leased until they have acknowledged most of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import msgspec

from ..core.events import line
from ..core.settings import JOURNAL_WAITING_BYTES, MEMORY_PAYLOAD_BYTES
from ..machine.machine import Machine
from ..machine.named import NamedMaps
from ..machine.records import Record
from ..protocol.messages import AnyMessage, Elements, Message, Tasks, encode
from .journal import Accepted, Journal, Room
from .party import Party
from .rows import Rows
from .shelf import Shelf, ShelvedMessage


class Store:
    """All of it.

    Args:
        folder: Where the shelf is.
        journal: None where there is none.
        log: Takes one line for the log.
        failed: Told, as a sentence, that something cannot be read again: the scheduler cannot go on.

    Attributes:
        room: What there is room for.
        result_bytes: What is kept in memory for clients.
    """

    def __init__(
        self,
        folder: Path,
        journal: Journal | None,
        log: Callable[[str], None],
        failed: Callable[[str], None],
    ) -> None:
        self._journal = journal
        self._log = log
        self._shelf = Shelf(folder, log, failed)
        self.rows = None if journal is None else Rows(journal, failed)
        self.room = Room.FREE
        self.result_bytes = 0

    def look(self, machine: Machine, parties: list[Party]) -> None:
        """Looks how much room there is, and tells the machine what that means."""
        if self._journal is None:
            return
        room = self._journal.room(self._shelf.used_bytes)
        if room is not self.room:
            self.room = room
            self._log(line("journal-room", room=room.value))
        machine.limit_journal(
            work=self.room is Room.FREE,
            leases=self.room is not Room.NO_LEASES and self._journal.waiting_bytes < JOURNAL_WAITING_BYTES,
        )
        for party in parties:
            machine.hold(party.number, self.room is not Room.FREE and party.is_behind)

    def arguments(self, message: AnyMessage, machine: Machine, peer: int) -> AnyMessage:
        """A client's message, its long arguments put away unless they are to be journaled."""
        if self.room is not Room.FREE:
            return message
        if isinstance(message, Elements):
            payloads = message.payloads
            if max(map(len, payloads), default=0) <= MEMORY_PAYLOAD_BYTES or machine.is_named(
                peer, message.call
            ):
                return message
            return msgspec.structs.replace(message, payloads=[self._away(payload) for payload in payloads])
        if isinstance(message, Tasks) and any(
            len(task.payload) > MEMORY_PAYLOAD_BYTES for task in message.tasks
        ):
            return Tasks(
                [msgspec.structs.replace(task, payload=self._away(task.payload)) for task in message.tasks]
            )
        return message

    def record(self, records: Sequence[Record], named: NamedMaps) -> int:
        """Hands what is to be recorded to the journal; returns its number there.

        The long arguments among it are read from there from now on.
        """
        assert self._journal is not None and self.rows is not None
        elements: list[Accepted] = []
        number = self._journal.append(records, elements)
        for row, record, content in elements:
            away = self.rows.away(row, record.payloads)
            if any(away):
                self.rows.accepted(number, row, content)
                named.put_away(record.key, record.start, cast("list[bytes | None]", away))
        return number

    def committed(self, number: int) -> None:
        """The journal has everything up to a number."""
        if self.rows is not None:
            self.rows.committed(number)

    def message(self, message: Message) -> Message:
        """A message put away, or the message itself where that cannot be."""
        shelved = self._shelf.put(encode(message))
        return message if shelved is None else cast(Message, ShelvedMessage(shelved))

    def _away(self, payload: bytes) -> bytes:
        if len(payload) <= MEMORY_PAYLOAD_BYTES:
            return payload
        return cast(bytes, self._shelf.put(payload) or payload)
