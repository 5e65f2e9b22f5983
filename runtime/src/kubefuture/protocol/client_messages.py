"""What a client and a scheduler say to each other."""

from __future__ import annotations

import msgspec

from .blob_messages import Blob
from .greeting import Message


class Function(Message, frozen=True):
    """A packed function and how its elements are called. Sent again under its id, it takes the place of before.

    Attributes:
        id: Unique in its session.
        payload: The packed function.
        shared: It may be unpickled once a chunk (R28); otherwise every element gets a fresh copy.
        rng: It wants its generator passed as `rng` (R24).
        seed: The packed root of the elements' random numbers; empty without a seed.
        own_seeds: Each element's payload begins with a packed root of its own.
        limit: Seconds that an element may run, 0 for as long as it takes (R22).
        blobs: What it and its elements' arguments refer to (R26).
        bare: Each element has one argument, and its payload is that alone.
        level: Log records of this level and above are wanted, as `logging` numbers them.
        live: What elements print is told while they run, too.
        levels: Other levels of some loggers, packed; empty for none.
        name: What it is called, for people.
    """

    id: int
    payload: bytes
    shared: bool = False
    rng: bool = False
    seed: bytes = b""
    own_seeds: bool = False
    limit: float = 0.0
    blobs: tuple[Blob, ...] = ()
    bare: bool = False
    level: int = 30
    live: bool = False
    levels: bytes = b""
    name: str = ""


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


class Resumed(Message, frozen=True):
    """A client has told a new scheduler all that it still waits for."""


class Cancel(Message, frozen=True):
    """Elements that run are interrupted, the others forgotten (R21).

    Attributes:
        calls: The calls.
        waiting: Only single futures that no slot has are meant. For each of them comes a Failure of the kind
            `withdrawn`; the others go on.
    """

    calls: tuple[int, ...]
    waiting: bool = False


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
        kind: `raised` (payload is the packed exception), `poison` (payload is a packed PoisonReport), or
            `withdrawn` (it was cancelled, as had been asked).
    """

    call: int
    index: int
    kind: str
    payload: bytes


class UnseededCall(Message, frozen=True):
    """A function drew from the global generators without a seed; said before its last result (R25)."""

    call: int
    function: str


class PrintedCall(Message, frozen=True):
    """What an element has printed while it runs; fields as in a PrintedLease, but for the call."""

    call: int
    lease: int
    index: int
    before: tuple[int, int]
    stdout: bytes
    stderr: bytes


class Slots(Message, frozen=True):
    """How many slots are connected, and on what types of CPUs. Sent when the number changes."""

    slots: int
    cpus: tuple[str, ...] = ()


class TallyRequest(Message, frozen=True):
    """Asks for a Tally of a map, which comes if the scheduler knows the map.

    Attributes:
        call: The client's call.
        key: The journal's number of a named map, 0 for others.
    """

    call: int
    key: int = 0


class Tally(Message, frozen=True):
    """How a map is doing.

    Attributes:
        call: The client's call.
        running: How many of its elements run at the moment.
        retried: How many runs of its elements have been begun once more: after an error, or after a death.
    """

    call: int
    running: int
    retried: int


class StatusRequest(Message, frozen=True):
    """Asks for a Status."""


class Scale(Message, frozen=True):
    """Asks for this many slots; a Status follows when they are there or draining."""

    slots: int


class WorkerStatus(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One worker, as `make status` shows it. `connected_s` is in seconds; `away` says that it does not answer."""

    name: str
    host: str
    pid: int
    slots: int
    busy: int
    connected_s: float
    away: bool = False
    node: str = ""


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
    retried: int = 0
    failed: int = 0
