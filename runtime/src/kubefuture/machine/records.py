"""What is recorded of named work, so that it outlives the scheduler (R5, R6, R8). Pure data.

A map's records begin with MapAccepted and end with MapForgotten; those between may come in any order::

    SessionOpened  MapAccepted  ElementsAccepted …  ResultsRecorded FailureRecorded TroubleCounted …  MapForgotten
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from ..protocol.messages import Function


class SessionOpened(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=True):
    """A client whose maps may follow.

    Attributes:
        identity: The session's name, as its Hello says it.
        sys_path: Its module path, like the folder needed to bind slots to it.
        folder: Where it works.
    """

    identity: str
    sys_path: tuple[str, ...]
    folder: str


class MapAccepted(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=True):
    """A named map begins.

    Attributes:
        key: The journal's number of the map, never used twice.
        name: Unique among the maps that are not forgotten.
        session: Identity of the session that began it.
        call: Its number in that session.
        function: What its elements call.
        function_name: For people, and to tell whether a restarted run asks for the same map.
        seed: The seed argument as text, for the same purpose; empty without one.
        total: How many elements, or -1 while that is not known.
        chunk_size: Elements a lease, or 0 for guided chunks.
        retries: How often an element whose function raised runs again.
        created: When, in seconds since 1970 (UTC).
    """

    key: int
    name: str
    session: str
    call: int
    function: Function
    function_name: str
    seed: str
    total: int
    chunk_size: int
    retries: int
    created: float


class FunctionReplaced(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=True):
    """The next elements of a map refer to more blobs than those before.

    Attributes:
        key: The map.
        function: What takes the place of its function.
    """

    key: int
    function: Function


class ElementsAccepted(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=True):
    """Consecutive elements' arguments.

    Attributes:
        key: The map.
        start: Index of the first one.
        payloads: The packed arguments.
        last: No more follow.
    """

    key: int
    start: int
    payloads: list[bytes]
    last: bool


class ResultsRecorded(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=True):
    """Results of consecutive elements.

    Attributes:
        key: The map.
        start: Index of the first one.
        payloads: The packed results.
    """

    key: int
    start: int
    payloads: list[bytes]


class FailureRecorded(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=True):
    """An element failed for good.

    Attributes:
        key: The map.
        index: The element.
        kind: As in a Failure: `raised` or `poison`.
        payload: As in a Failure.
    """

    key: int
    index: int
    kind: str
    payload: bytes


class TroubleCounted(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=True):
    """An element had trouble, but goes on; the latest count is the one that holds (R8).

    Attributes:
        key: The map.
        trouble: `retry`, `strike` or `loss`.
        index: The element.
        count: How often it had it by now.
        lease: In which lease it had it; 0 where that was taken back.
    """

    key: int
    trouble: str
    index: int
    count: int
    lease: int = 0


class MapCancelled(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=True):
    """A map was cancelled; what it has so far stays.

    Attributes:
        key: The map.
    """

    key: int


class MapForgotten(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=True):
    """A map and everything of it is to go.

    Attributes:
        key: The map.
    """

    key: int


Record: TypeAlias = (
    SessionOpened | MapAccepted | FunctionReplaced | ElementsAccepted | ResultsRecorded | FailureRecorded
    | TroubleCounted | MapCancelled | MapForgotten
)  # fmt: skip
"""Anything that is recorded."""
