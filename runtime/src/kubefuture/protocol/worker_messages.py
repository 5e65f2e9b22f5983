"""What a scheduler, a worker and a slot say to each other."""

from __future__ import annotations

import msgspec

from .client_messages import Function
from .greeting import Message


class Bind(Message, frozen=True):
    """Gives a fresh slot to a session: it works in the session's folder, with its module path (R3).

    Attributes:
        pid: The process that is meant. A worker that has another one by now ignores this and what follows.
    """

    slot: int
    pid: int
    session: str
    sys_path: tuple[str, ...]
    folder: str


class Lease(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A chunk of consecutive elements that one slot is to run.

    Attributes:
        id: Never used twice, not by a later scheduler either.
        call: The call that they are of, unique in the slot's session.
    """

    id: int
    function: int
    start: int
    payloads: list[bytes]
    call: int = 0


class Run(Message, frozen=True):
    """Leases for a slot, with the functions it has not had yet and those it can forget."""

    slot: int
    functions: list[Function]
    forget: list[int]
    leases: list[Lease]


class Revoke(Message, frozen=True):
    """Asks for leases back that have not been started; Returned answers."""

    slot: int
    leases: tuple[int, ...]


class Returned(Message, frozen=True):
    """The leases that were taken back; the others have been started, and that is final (R13)."""

    slot: int
    leases: tuple[int, ...]


class Interrupt(Message, frozen=True):
    """Stops a lease that runs: SIGINT, then SIGKILL (R21)."""

    slot: int
    lease: int


class StartSlot(Message, frozen=True):
    """Asks a worker for one more slot, with this number."""

    slot: int


class RetireSlot(Message, frozen=True):
    """Ends a slot that has no work left (R17)."""

    slot: int


class ReplaceSlot(Message, frozen=True):
    """Ends a slot that has no work left and starts a fresh one in its place (R3).

    Attributes:
        pid: The process that is meant. If it died meanwhile it has been replaced already.
    """

    slot: int
    pid: int


class Held(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A lease that a worker has, or had and whose outcome a scheduler has not acknowledged."""

    id: int
    session: str
    call: int
    function: int
    start: int
    stop: int


class HeldSlot(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One slot, and what it has.

    Attributes:
        pid: The slot's process, or 0 when it has none that is bound.
        session: The session that it is bound to.
    """

    slot: int
    pid: int
    session: str
    leases: list[Held]


class Holding(Message, frozen=True):
    """What a worker brings along for a scheduler that has just been started (R7)."""

    slots: list[HeldSlot]


class Struck(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An element that a slot was on when its whole worker was killed.

    Attributes:
        slot: The slot's number.
        lease: The lease that the element is of.
        element: Its index.
        reason: How the worker ended, for people.
    """

    slot: int
    lease: Held
    element: int
    reason: str


class Predecessor(Message, frozen=True):
    """What the slots of the worker before were on, which was in the same place and was killed (R20)."""

    elements: list[Struck]


class Leaving(Message, frozen=True):
    """The worker was told to go: it is to be given nothing more, and its slots end when they have finished (R17)."""


class Ready(Message, frozen=True):
    """A slot process is up."""

    pid: int


class SlotReady(Message, frozen=True):
    """A fresh slot of this worker can be bound."""

    slot: int
    pid: int


class SlotLost(Message, frozen=True):
    """A slot ended.

    Attributes:
        lease: The lease it was running, or 0.
        index: The element it was on, or -1.
        reason: How it ended, for people: `killed by SIGKILL`, `exit code 3`.
        expected: We ended it, so nobody is to blame.
        gone: It was retired. Otherwise another process takes its place.
        output: The last lines that it had printed, if the element is to blame.
    """

    slot: int
    lease: int
    index: int
    reason: str
    expected: bool
    gone: bool = False
    output: str = ""


class Part(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Finished elements of one lease, consecutive from `start`.

    Attributes:
        seconds: How long they took together.
        end: Nothing more follows for this lease.
    """

    lease: int
    start: int
    payloads: list[bytes]
    seconds: float
    end: bool


class Done(Message, frozen=True):
    """Finished elements."""

    parts: list[Part]


class PrintedLease(Message, frozen=True):
    """What an element has printed while it runs, as its function asks for.

    Attributes:
        lease: The lease that it is of.
        index: The element.
        before: How much of stdout and of stderr has been told before, in bytes.
        stdout: What came next.
        stderr: The same.
    """

    lease: int
    index: int
    before: tuple[int, int]
    stdout: bytes
    stderr: bytes


class UnseededLease(Message, frozen=True):
    """A function drew from the global generators without a seed; said before its chunk ends (R25)."""

    lease: int
    function: str


class Raised(Message, frozen=True):
    """An element's function raised; the lease goes on with the next element unless `end`.

    Attributes:
        interrupted: It was stopped by our SIGINT, so this is no failure of the function.
    """

    lease: int
    index: int
    payload: bytes
    seconds: float
    end: bool
    interrupted: bool = False
