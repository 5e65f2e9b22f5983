"""A door at 127.0.0.1 that stays where it is, whatever becomes of the way behind it.

    browser ──> 127.0.0.1:PORT ── Doorway ──> Way: a forward of kubectl that is opened anew, or a socket

It looks now and then whether somebody answers at the other end, since a forward to a pod that is gone would not say so.
While nobody does, browsers are told, and ask again by themselves.
"""

from __future__ import annotations

import asyncio
import html
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from ..errors import KubefutureError

VISITORS = 64
"""So many connections at a time."""

LOOK_SECONDS = 3.0
"""Time between two looks whether somebody answers."""

ANSWER_SECONDS = 5.0
"""How long an answer may take."""

_PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0, 10.0)
_QUESTION = b"GET /healthz HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n"
_TROUBLES = (KubefutureError, OSError, TimeoutError)

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Way(Protocol):
    """What is behind the door."""

    async def open(self) -> None:
        """Opens it if it is not open.

        Raises:
            KubefutureError: It cannot be.
            OSError: It cannot be.
        """

    async def connect(self) -> Streams:
        """A connection to its other end.

        Raises:
            OSError: There is none.
        """

    async def close(self) -> None:
        """Closes it; the next `open` opens it anew."""


class Doorway:
    """One door.

    Args:
        way: What is behind it.
        say: Takes a line for the person who opened it.
    """

    def __init__(self, way: Way, say: Callable[[str], None]) -> None:
        self._way = way
        self._say = say
        self._open = False
        self._broken_since: float | None = None
        self._why = "The way is being opened."
        self._suspect = asyncio.Event()
        self._visitors = 0

    async def keep(self, listener: socket.socket, over: Callable[[], bool]) -> None:
        """Lets visitors in, and keeps the way open, until it is not needed any more.

        Args:
            listener: Bound; the door's own from now on.
            over: Asked now and then whether there is nothing to lead to any more.
        """
        server = await asyncio.start_server(self._visit, sock=listener)
        tries = 0
        try:
            while not over():
                self._suspect.clear()
                try:
                    await self._way.open()
                    await self._look()
                except _TROUBLES as error:
                    await self._break(error)
                    await asyncio.sleep(_PAUSES[min(tries, len(_PAUSES) - 1)])
                    tries += 1
                    continue
                tries = 0
                self._mend()
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_SECONDS):
                        await self._suspect.wait()
        finally:
            server.close()

    async def _look(self) -> None:
        """Asks at the other end.

        Raises:
            OSError: Nobody answers there.
        """
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                reader, writer = await self._way.connect()
                try:
                    writer.write(_QUESTION)
                    answer = await reader.read(5)
                finally:
                    writer.close()
        except TimeoutError:
            raise OSError(f"nobody answers within {ANSWER_SECONDS:.0f} s") from None
        if answer != b"HTTP/":
            raise OSError("nobody answers at its other end")

    async def _break(self, error: Exception) -> None:
        why = getattr(error, "strerror", None) or error
        words = str(error) if isinstance(error, KubefutureError) else f"The way is broken: {why}."
        if self._broken_since is None:
            self._broken_since = time.monotonic()
        if words != self._why:
            self._say(f"{words} It is tried again and again.")
        self._open, self._why = False, words
        await self._way.close()

    def _mend(self) -> None:
        if self._broken_since is not None:
            self._say(f"The way is open again, after {time.monotonic() - self._broken_since:.0f} s.")
        self._open, self._broken_since, self._why = True, None, ""

    async def _visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._visitors += 1
        try:
            if self._visitors > VISITORS:
                return
            far = await self._far()
            if far is None:
                with suppress(asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                    async with asyncio.timeout(ANSWER_SECONDS):
                        await reader.readuntil(b"\r\n\r\n")
            if far is None or not await _led((reader, writer), far):
                self._suspect.set()
                await self._apologise(writer)
        except (OSError, TimeoutError):
            pass  # the visitor left
        finally:
            self._visitors -= 1
            writer.close()

    async def _far(self) -> Streams | None:
        """A connection to the other end, if it can be had."""
        if not self._open:
            return None
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await self._way.connect()
        except (OSError, TimeoutError):
            return None

    async def _apologise(self, writer: asyncio.StreamWriter) -> None:
        """Tells a browser what is the matter, and to ask again."""
        why = html.escape(self._why or "The way to the workers has just been cut.")
        page = _PAGE.format(why=why).encode()
        writer.write(_SORRY.format(length=len(page)).encode() + page)
        await writer.drain()


async def _led(near: Streams, far: Streams) -> bool:
    """Carries all that is said between two sides; returns False when the far one broke before it said anything."""
    there = asyncio.ensure_future(_pump(near[0], far[1]))
    back = asyncio.ensure_future(_pump(far[0], near[1]))
    try:
        await asyncio.wait((there, back), return_when=asyncio.FIRST_COMPLETED)
        return back.result() > 0 if back.done() else there.result() >= 0
    finally:
        there.cancel()
        back.cancel()
        await asyncio.wait((there, back))
        far[1].close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
    """Carries what comes; returns how many bytes that was, -1 when the other side does not take them any more."""
    count = 0
    while True:
        try:
            piece = await reader.read(1 << 16)
        except OSError:
            return count
        if not piece:
            return count
        count += len(piece)
        try:
            writer.write(piece)
            await writer.drain()
        except OSError:
            return -1


_SORRY = (
    "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {length}\r\n"
    "Connection: close\r\nRetry-After: 2\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
    "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'\r\n\r\n"
)
_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><meta http-equiv="refresh" content="2"><title>kubefuture</title>
<style>body {{ font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif; max-width: 36rem; margin: 20vh auto }}
h1 {{ font-size: 1.35rem; }} p {{ opacity: .75; overflow-wrap: anywhere; }}</style>
<h1>The workers cannot be reached at the moment</h1><p>{why}</p><p>This page asks again by itself.</p></html>
"""
