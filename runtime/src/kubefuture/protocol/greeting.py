"""What every message is, and how both sides of a connection say who they are."""

from __future__ import annotations

import msgspec

PROTOCOL = 1
"""Both sides of a connection must have the same (R12)."""


class Message(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=True):
    """Base of all messages."""


class Environment(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What has to fit between client, scheduler and worker; of CPUs that differ the user is only told (R12).

    Attributes:
        python: The version, as `3.11.7`.
        cloudpickle: Its version, like the next two; empty where it is not installed.
        lock: Digest of the requirements.lock that made the environment; empty without one.
        cpu: The type of the machine's CPU.
    """

    python: str
    cloudpickle: str = ""
    msgspec: str = ""
    numpy: str = ""
    lock: str = ""
    cpu: str = ""


class Hello(Message, frozen=True):
    """The first message after the login.

    Attributes:
        role: `client`, `control` or `worker`.
        identity: Random, new for each process; a session's or a worker's name in logs.
        slots: The numbers of the slots that a worker has or starts.
        place: A worker's place, which only one worker has at a time: whoever comes there replaces who was
            there before. Empty where that is not known.
        epoch: The exchange that goes on, as the Welcome to it called it; empty for none.
        received: How many of its messages have arrived.
        machine: Where its process id counts, and `started` when it began there, so that somebody in the
            same place can tell whether it lives.
        node: The node of the cluster that a worker is on; empty where there are none.
        leaving: A worker is to be given nothing, and only hands over what it has.
    """

    role: str
    protocol: int
    identity: str
    host: str
    pid: int
    environment: Environment
    slots: tuple[int, ...] = ()
    sys_path: tuple[str, ...] = ()
    folder: str = ""
    place: str = ""
    epoch: str = ""
    received: int = 0
    machine: str = ""
    started: int = 0
    node: str = ""
    leaving: bool = False


class Welcome(Message, frozen=True):
    """The scheduler takes the connection.

    Attributes:
        epoch: The exchange's name, which is never used again.
        resumed: The exchange goes on. Otherwise both sides begin anew.
        received: How many messages of it the scheduler has.
        slots: How many slots are connected.
        cpus: The types of their machines' CPUs.
    """

    epoch: str
    resumed: bool = False
    received: int = 0
    slots: int = 0
    cpus: tuple[str, ...] = ()


class Ack(Message, frozen=True):
    """So many messages have arrived and are in good hands. Not counted itself, like Hello and Welcome.

    Said once more by a worker now and then, as a sign of life.
    """

    received: int


class Refused(Message, frozen=True):
    """The scheduler does not; `reason` is a sentence for the user."""

    reason: str


class Bye(Message, frozen=True):
    """An orderly end: a session's unnamed work is cancelled (R10); a worker has drained."""
