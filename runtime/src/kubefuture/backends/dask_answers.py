"""The answers that come over one connection of Dask's client.

    Dask's threads ── futures that have ended ──> a thread: fetches ── landed(number, ending) ──> the back end

Each connection has an object of its own, and so a thread. When the connection is lost it is left behind with whatever
it waits for: Dask waits without end for an answer when its client has been closed meanwhile.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError
from contextlib import suppress
from functools import partial
from typing import Any


class DaskAnswers:
    """They.

    Args:
        client: Dask's client.
        link: Its connection.
        landed: Is told, in a thread, the number of each chunk and its packed answer, or why there is none.

    Attributes:
        link: The connection.
    """

    def __init__(self, client: Any, link: Any, landed: Callable[[int, bytes | BaseException], None]) -> None:
        from distributed.client import done_callback

        self.link = link
        self._done_callback = done_callback
        self._client = client
        self._landed = landed
        self._ready: queue.SimpleQueue[tuple[int, Any] | None] = queue.SimpleQueue()
        threading.Thread(target=self._fetch, name="kubefuture-dask-fetch", daemon=True).start()

    def expect(self, number: int, future: Any) -> None:
        """Fetches the answer of a chunk as soon as Dask has it.

        `Future.add_done_callback` would call in a pool of threads, which takes no more when the main thread has ended.
        """
        self._client.loop.add_callback(self._done_callback, future, partial(self._ended, number))

    def leave(self) -> None:
        """Nobody wants to know any more."""
        self._ready.put(None)

    def _ended(self, number: int, future: Any) -> None:
        """In the event loop's thread."""
        self._ready.put((number, future))

    def _fetch(self) -> None:
        """In a thread of its own: while Dask makes an answer again that died with its worker, this waits."""
        while self._fetch_some():
            pass

    def _fetch_some(self) -> bool:
        """Those that are ready; False at the end. A function, as Dask keeps what a variable of the loop refers to."""
        if (first := self._ready.get()) is None:
            return False
        ready = [first]
        with suppress(queue.Empty):
            while (more := self._ready.get_nowait()) is not None:
                ready.append(more)
            self._ready.put(None)
        good = [(number, future) for number, future in ready if future.status == "finished"]
        contents: list[bytes | None] = [None] * len(good)
        with suppress(Exception):  # then they are asked for one by one
            contents = self._client.gather([future for _, future in good])
        known = {number: content for (number, _), content in zip(good, contents, strict=True)}
        for number, future in ready:
            self._landed(number, _ending(future, known.get(number)))
        return True


def _ending(future: Any, content: bytes | None) -> bytes | BaseException:
    """A chunk's packed answer, or why there is none: CancelledError where it cannot be fetched, so that it is lost."""
    if content is not None:
        return content
    try:
        return future.result()  # type: ignore[no-any-return]
    except Exception as error:
        return error if future.status == "error" else CancelledError(str(error))
