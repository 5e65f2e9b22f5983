"""What a client and a scheduler say to each other about named maps, which the scheduler's journal holds (R5).

An answer is sent when the journal has committed what it says (R8). So the number in a Named is that of one map for
ever, and a client that asks once more names it: a map that was forgotten meanwhile does not come back, and
another one of the same name is left alone.
"""

from __future__ import annotations

from typing import Final

from .client_messages import Failure, Span
from .greeting import Message

IF_THERE: Final = -1
"""In place of a map's number: whichever has the name, but none is begun."""


class OpenNamed(Message, frozen=True):
    """Begins a named map, or takes it up again after a reconnect. Named or NotNamed answers; then come elements.

    Attributes:
        call: Unique in its session.
        name: Unique in the cluster.
        function_name: For people.
        seed: The seed argument as text.
        total: How many elements, or -1 while that is not known.
        chunk_size: Elements a lease, or 0 for guided chunks.
        retries: How often an element whose function raised runs again.
        created: When, in seconds since 1970 (UTC), by the client's clock.
        again: A run that was started anew may take up what it began before.
        key: The journal's number of it, 0 when it is not known yet that the journal has it, and `IF_THERE` to take
            it up only if the journal has it.
    """

    call: int
    name: str
    function: int
    function_name: str
    seed: str
    created: float
    total: int = -1
    chunk_size: int = 0
    retries: int = 0
    again: bool = False
    key: int = 0


class Attach(Message, frozen=True):
    """Wants the results of a named map. Named or NotNamed answers.

    Attributes:
        call: What the client calls it from now on.
        key: The journal's number of it, 0 for whichever has the name.
    """

    call: int
    name: str
    key: int = 0


class Named(Message, frozen=True):
    """A named map is there.

    Attributes:
        key: The journal's number of it.
        received: How many of its elements have arrived.
        total: How many there will be, or -1 while that is not known.
    """

    call: int
    key: int
    received: int
    total: int


class NotNamed(Message, frozen=True):
    """It cannot be had.

    Attributes:
        reason: A sentence for the user, in which `{begun}` stands for the time.
        begun: That time, in seconds since 1970 (UTC).
    """

    call: int
    reason: str
    begun: float = 0.0


class Fetch(Message, frozen=True):
    """Wants outcomes of a named map; Fetched answers as soon as there are any, and once all are told.

    Attributes:
        after: 0, or the cursor of the Fetched before.
    """

    call: int
    key: int
    after: int


class Fetched(Message, frozen=True):
    """Outcomes of a named map, in the order of their recording.

    Attributes:
        total: How many elements the map has, or -1 while that is not known.
        problem: Why no more outcomes will come though some are missing, as a sentence; else empty.
    """

    call: int
    cursor: int
    spans: list[Span]
    failures: list[Failure]
    total: int
    problem: str


class Forget(Message, frozen=True):
    """A named map and all its results are to be deleted. Named answers while no number is said, then Forgotten.

    NotNamed answers when there is none: that is an error, or says that an earlier one was heard.

    Attributes:
        call: What the client calls the question.
        key: The journal's number of it, 0 for whichever has the name.
    """

    call: int
    name: str
    key: int = 0


class Forgotten(Message, frozen=True):
    """It is gone."""

    call: int
