"""The event loop of Dask's clients, in a thread: one for all that a plan makes one after the other.

A client that has none makes one of its own. Where the client cannot connect that one stays, with its thread; where the
client is closed, whoever waits for an answer of it waits for ever; and where garbage is collected at the wrong moment
Dask's lock on the making of loops is taken twice.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from typing import Any

_END_SECONDS = 10.0


class DaskLoop:
    """It.

    Attributes:
        loop: For Dask's client.

    Raises:
        OSError: None can be made, as where no more files may be open.
    """

    def __init__(self) -> None:
        self._started: Future[Any] = Future()
        self._thread = threading.Thread(target=self._main, name="kubefuture-dask-loop", daemon=True)
        self._thread.start()
        self.loop = self._started.result()

    def _main(self) -> None:
        try:
            asyncio.run(self._run())
        except OSError as error:
            if self._started.done():
                raise
            self._started.set_exception(error)

    async def _run(self) -> None:
        from tornado.ioloop import IOLoop

        self._end = asyncio.Event()
        self._started.set_result(IOLoop.current())
        await self._end.wait()

    def close(self) -> None:
        """Ends it, and whatever still runs in it."""
        if self._thread.is_alive():
            self.loop.add_callback(self._end.set)
            self._thread.join(_END_SECONDS)
