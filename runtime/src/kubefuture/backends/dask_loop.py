"""The event loop of Dask's clients, in a thread: one for all that a plan makes one after the other.

A client that has none makes one of its own. Where the client cannot connect that one stays, with its thread; where the
client is closed, whoever waits for an answer of it waits for ever; and where garbage is collected at the wrong moment
Dask's lock on the making of loops is taken twice.
"""

from __future__ import annotations

import asyncio
import threading
from typing import Any

_END_SECONDS = 10.0


class DaskLoop:
    """It.

    Attributes:
        loop: For Dask's client.
    """

    loop: Any

    def __init__(self) -> None:
        self._running = threading.Event()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._run()), name="kubefuture-dask-loop", daemon=True
        )
        self._thread.start()
        self._running.wait()

    async def _run(self) -> None:
        from tornado.ioloop import IOLoop

        self._end = asyncio.Event()
        self.loop = IOLoop.current()
        self._running.set()
        await self._end.wait()

    def close(self) -> None:
        """Ends it, and whatever still runs in it."""
        if self._thread.is_alive():
            self.loop.add_callback(self._end.set)
            self._thread.join(_END_SECONDS)
