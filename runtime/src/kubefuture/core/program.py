"""What our daemons have in common: how they say that they are up or why not, and how they end."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


class Readiness:
    """Tells the starter, over a pipe, that a program is up or why it cannot be.

    Args:
        handle: The pipe's write end, or -1 for nobody.
    """

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def ready(self) -> None:
        """It is up. Only the first word counts."""
        self._say("ready")

    def error(self, sentence: str) -> None:
        """It cannot be."""
        self._say(f"error {' '.join(sentence.split())}")

    def _say(self, line: str) -> None:
        if self._handle < 0:
            return
        handle, self._handle = self._handle, -1
        try:
            os.write(handle, f"{line}\n".encode())
            os.close(handle)
        except OSError:
            return  # nobody waits any more


def parser(description: str) -> argparse.ArgumentParser:
    """The arguments that scheduler and worker share."""
    arguments = argparse.ArgumentParser(description=description)
    arguments.add_argument("--connection", type=Path, required=True, help="the connection file")
    arguments.add_argument("--slots-file", type=Path, required=True, help="holds the wanted number of slots")
    arguments.add_argument("--ready-fd", type=int, default=-1, help="where to say 'ready' or 'error …'")
    arguments.add_argument(
        "--lifeline-fd", type=int, default=-1, help="a pipe; its end is the end of this program"
    )
    return arguments


def log(line: str) -> None:
    """One line with the time (UTC) to stderr, which the starter keeps; lost where its disk is full."""
    now = time.time()
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
    with suppress(OSError):  # work goes on
        print(f"{stamp}.{int(now % 1 * 1000):03d}Z {line}", file=sys.stderr, flush=True)


def end_on_signals(lifeline: int, end: Callable[[], None]) -> None:
    """Calls `end` on SIGTERM, SIGINT, or when the lifeline's other side is gone."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    if lifeline >= 0:

        def gone() -> None:
            loop.remove_reader(lifeline)
            end()

        loop.add_reader(lifeline, gone)
