"""What every message is, and how both sides of a connection say who they are."""

from __future__ import annotations

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
