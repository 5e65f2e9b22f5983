"""Ways for a door: through a forward of kubectl, or to a socket of this machine."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

from ..errors import NoAnswerError
from .doorway import Streams
from .route import Route
from .tunnel import Tunnel

Result = TypeVar("Result")


class ClusterWay:
    """A forward of kubectl, as a child of this program.

    Args:
        route: Where it leads.
    """

    def __init__(self, route: Route) -> None:
        self._route = route
        self._tunnel: Tunnel | None = None

    async def open(self) -> None:
        """Opens it if it is not open.

        Raises:
            NoAnswerError: It cannot be, or was open and has ended.
        """
        if self._tunnel is None:
            self._tunnel = await _in_thread(lambda: Tunnel(self._route))
        elif not self._tunnel.is_open:
            raise NoAnswerError("The kubectl that leads to the cluster has ended.")

    async def connect(self) -> Streams:
        """A connection through it.

        Raises:
            OSError: It is closed.
        """
        if self._tunnel is None:
            raise ConnectionRefusedError("the forward is closed")
        return await asyncio.open_connection("127.0.0.1", self._tunnel.port)

    async def close(self) -> None:
        """Ends kubectl."""
        tunnel, self._tunnel = self._tunnel, None
        if tunnel is not None:
            await _in_thread(tunnel.close)


class SocketWay:
    """A Unix socket.

    Args:
        path: Where it is.
    """

    def __init__(self, path: str) -> None:
        self._path = path

    async def open(self) -> None:
        """It is always there, or not.

        Raises:
            NoAnswerError: It is not.
        """
        try:
            _, writer = await self.connect()
        except OSError as error:
            raise NoAnswerError(f"The scheduler does not answer ({error.strerror or error}).") from None
        writer.close()

    async def connect(self) -> Streams:
        """A connection to it.

        Raises:
            OSError: Nobody is there.
        """
        return await asyncio.open_unix_connection(self._path)

    async def close(self) -> None:
        """There is nothing to close."""


async def _in_thread(function: Callable[[], Result]) -> Result:
    """Waits for what blocks; Ctrl-C does not wait with it, as it would for one of asyncio's own threads."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Result] = loop.create_future()

    def settle(result: Result | None, error: BaseException | None) -> None:
        if done.cancelled():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result, failure = None, None
        try:
            result = function()
        except BaseException as error:
            failure = error
        try:
            loop.call_soon_threadsafe(settle, result, failure)
        except RuntimeError:
            pass  # the loop has ended

    threading.Thread(target=run, daemon=True).start()
    return await done
