"""Every message that client, scheduler, worker and slot exchange.

Frozen structs, encoded as msgpack arrays with the type's name first. `bytes` fields are pickles or
other content that the scheduler passes on without looking inside.

    client ── Hello Function Open Elements Tasks Cancel Release Bye ──> scheduler
    client <── Welcome Refused Results Failures Slots ── scheduler
    client ── StatusRequest Scale ──> scheduler ── Status ──> client
    worker ── Hello SlotReady SlotLost Done Raised Returned ──> scheduler
    worker <── Welcome Refused Bind Run Revoke Interrupt StartSlot RetireSlot ReplaceSlot ── scheduler
    slot   <── Bind Run ── worker          slot ── Ready Done Raised ──> worker
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

PROTOCOL = 1
"""Both sides of a connection must have the same (R12)."""


class Message(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=True):
    """Base of all messages."""


class Environment(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What must fit between client, scheduler and worker (R12).

    Attributes:
        python: The version, as `3.11.7`.
        cloudpickle: Its version, like the next two; empty where it is not installed.
        lock: Digest of the requirements.lock that made the environment; empty without one.
    """

    python: str
    cloudpickle: str = ""
    msgspec: str = ""
    numpy: str = ""
    lock: str = ""


class Hello(Message, frozen=True):
    """The first message after the login.

    Attributes:
        role: `client`, `control` or `worker`.
        identity: Random, new for each process; a session's or a worker's name in logs.
        slots: How many slots a worker starts with.
    """

    role: str
    protocol: int
    identity: str
    host: str
    pid: int
    environment: Environment
    slots: int = 0
    sys_path: tuple[str, ...] = ()
    folder: str = ""


class Welcome(Message, frozen=True):
    """The scheduler takes the connection."""

    epoch: str
    slots: int


class Refused(Message, frozen=True):
    """The scheduler does not; `reason` is a sentence for the user."""

    reason: str


class Bye(Message, frozen=True):
    """An orderly end: the session's unnamed work is cancelled (R10)."""


class Function(Message, frozen=True):
    """A packed function and how its elements are called.

    Attributes:
        id: Unique in its session.
        payload: The packed function.
        shared: It may be unpickled once a chunk (R28); otherwise every element gets a fresh copy.
        rng: It wants its generator passed as `rng` (R24).
        seed: The packed root of the elements' random numbers; empty without a seed.
        own_seeds: Each element's payload begins with a packed root of its own.
    """

    id: int
    payload: bytes
    shared: bool = False
    rng: bool = False
    seed: bytes = b""
    own_seeds: bool = False


class Release(Message, frozen=True):
    """The session will not use these functions again."""

    functions: tuple[int, ...]


class Open(Message, frozen=True):
    """Begins a map; its elements follow.

    Attributes:
        call: Unique in its session.
        total: How many elements, or -1 while that is not known.
        chunk_size: Elements a lease, or 0 for guided chunks (R14).
        retries: How often an element whose function raised runs again.
    """

    call: int
    function: int
    total: int = -1
    chunk_size: int = 0
    retries: int = 0


class Elements(Message, frozen=True):
    """The next elements' arguments.

    Attributes:
        last: No more follow.
        indices: Empty when they simply follow the earlier ones; after a reconnect the elements that are sent
            again, in rising order.
    """

    call: int
    payloads: list[bytes]
    last: bool
    indices: tuple[int, ...] = ()


class Task(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A single future: a map of one element."""

    call: int
    function: int
    payload: bytes
    retries: int = 0


class Tasks(Message, frozen=True):
    """Single futures, in the order of their submission."""

    tasks: list[Task]


class Cancel(Message, frozen=True):
    """Elements that run are interrupted, the others forgotten (R21)."""

    calls: tuple[int, ...]


class Span(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Results of consecutive elements of one map."""

    call: int
    start: int
    payloads: list[bytes]


class Results(Message, frozen=True):
    """Finished elements, each with its own result."""

    spans: list[Span]


class Failure(Message, frozen=True):
    """An element that failed for good.

    Attributes:
        kind: `raised` (payload is the packed exception) or `poison` (payload is a UTF-8 sentence).
    """

    call: int
    index: int
    kind: str
    payload: bytes


class Slots(Message, frozen=True):
    """How many slots are connected. Sent when the number changes."""

    slots: int


class StatusRequest(Message, frozen=True):
    """Asks for a Status."""


class Scale(Message, frozen=True):
    """Asks for this many slots; a Status follows when they are there or draining."""

    slots: int


class WorkerStatus(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One worker, as `make status` shows it. `connected_s` is in seconds."""

    name: str
    host: str
    pid: int
    slots: int
    busy: int
    connected_s: float


class Status(Message, frozen=True):
    """The cluster, as `make status` shows it. Counts of work are elements; times are in seconds."""

    scheduler_pid: int
    host: str
    python: str
    uptime_s: float
    wanted_slots: int
    workers: list[WorkerStatus]
    queued: int
    running: int
    done: int
    sessions: int


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
    """A chunk of consecutive elements that one slot is to run. `id` is never used twice."""

    id: int
    function: int
    start: int
    payloads: list[bytes]


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
    """

    slot: int
    lease: int
    index: int
    reason: str
    expected: bool
    gone: bool = False


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


AnyMessage = (
    Hello | Welcome | Refused | Bye | Function | Release | Open | Elements | Tasks | Cancel | Results | Failure
    | Slots | StatusRequest | Scale | Status | Bind | Run | Revoke | Returned | Interrupt | StartSlot | RetireSlot
    | ReplaceSlot | Ready | SlotReady | SlotLost | Done | Raised
)  # fmt: skip

_encoder = msgspec.msgpack.Encoder()

encode: Callable[[Message], bytes] = _encoder.encode
"""One message as msgpack."""

decode: Callable[[bytes | memoryview], AnyMessage] = msgspec.msgpack.Decoder(AnyMessage).decode
"""The message in some bytes; raises msgspec.DecodeError when they are no message of this protocol."""

encode_lease: Callable[[Lease], bytes] = _encoder.encode
"""One lease as the content of a record for a slot."""

decode_lease: Callable[[bytes], Lease] = msgspec.msgpack.Decoder(Lease).decode
"""The lease in the content of a record."""
