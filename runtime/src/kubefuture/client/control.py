"""Questions and orders for a scheduler: what `make status` and `make scale` say."""

from __future__ import annotations

import asyncio
from typing import Any

from ..core.connection import Connection
from ..core.identity import hello
from ..core.link import connect
from ..core.notice import say
from ..errors import KubefutureError, NoAnswerError, VersionError
from ..protocol.messages import AnyMessage, Message, Refused, Scale, Status, StatusRequest
from .trying import ONCE_MORE, is_slow

_STATUS_SECONDS = 10.0
_SCALE_SECONDS = 120.0


def fetch_status(connection: Connection) -> Status:
    """The cluster at a glance.

    Raises:
        ClusterError: It cannot be reached.
    """
    return asyncio.run(_ask(connection, StatusRequest(), _STATUS_SECONDS))


def set_scale(connection: Connection, slots: int) -> Status:
    """Asks for a number of slots and returns when they are there; those that go may still drain.

    Args:
        connection: The cluster.
        slots: How many, at least 0.

    Raises:
        ClusterError: It cannot be reached, or does not get there in two minutes.
    """
    return asyncio.run(_ask(connection, Scale(slots), _SCALE_SECONDS))


def order_scale(connection: Connection, slots: int) -> Status:
    """The same, without waiting for them: whoever can see more of the cluster than the scheduler does that.

    Args:
        connection: The cluster.
        slots: How many, at least 0.

    Raises:
        ClusterError: It cannot be reached.
    """
    return asyncio.run(_ask(connection, Scale(slots), _STATUS_SECONDS, StatusRequest()))


async def _ask(connection: Connection, question: Message, seconds: float, *more: Message) -> Status:
    answer: asyncio.Future[Status] = asyncio.get_running_loop().create_future()

    def receive(messages: list[AnyMessage]) -> None:
        for message in messages:
            if isinstance(message, Status) and not answer.done():
                answer.set_result(message)
            elif isinstance(message, Refused) and not answer.done():
                answer.set_exception(VersionError(message.reason))

    try:
        try:
            link = await connect(connection, receive)
        except OSError as error:
            if connection.route is not None or not is_slow(error):
                raise
            say(ONCE_MORE)
            link = await connect(connection, receive)
    except KubefutureError:
        raise
    except OSError as error:
        raise NoAnswerError(
            f"The scheduler of project {connection.project} does not answer at {connection.address} "
            f"({error.strerror or error}). Start it with `make up`."
        ) from None
    link.send([hello("control"), question, *more])
    try:
        waiting: set[asyncio.Future[Any]] = {answer, link.lost}
        await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            what = "closed the connection" if link.lost.done() else f"has not done it after {seconds:.0f} s"
            raise NoAnswerError(f"The scheduler of project {connection.project} {what}. See `make logs`.")
        return answer.result()
    finally:
        link.close()
