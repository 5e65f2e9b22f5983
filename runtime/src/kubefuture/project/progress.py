"""What is shown while something takes longer than two seconds.

On a terminal one line that is rewritten; elsewhere a line now and then. Below a playbook, whose
output is held back until a task ends, the words go to a file that playbooks/callback_plugins shows.
"""

from __future__ import annotations

import os
import sys
import time
from types import TracebackType
from typing import TextIO

STEP_FILE = "KUBEFUTURE_STEP_FILE"
"""Environment variable: the file that the playbooks' output reads the current step from."""

_PATIENCE = 2.0
_INTERVAL = 10.0


class Step:
    """One thing that may take long. A context manager; whoever waits inside calls tick now and then.

    Args:
        title: What is done, as a sentence without its full stop.
        stream: Where to show it.
    """

    def __init__(self, title: str, stream: TextIO | None = None) -> None:
        self._title = title
        self._stream = sys.stderr if stream is None else stream
        self._detail = ""
        self._began = time.monotonic()
        self._next = self._began + _PATIENCE
        self._shown = False
        self._file = os.environ.get(STEP_FILE, "")
        self._live = not self._file and self._stream.isatty()

    def __enter__(self) -> Step:
        self._write_file()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live and self._shown:
            self._stream.write("\r\033[K")
            self._stream.flush()

    def tick(self, detail: str | None = None) -> None:
        """Shows that time passes.

        Args:
            detail: What is being worked on now, if that is known.
        """
        if detail is not None and detail != self._detail:
            self._detail = detail
            self._write_file()
        now = time.monotonic()
        if self._file or now < self._next:
            return
        words = f"{self._title} ... {now - self._began:.0f} s"
        if self._detail:
            words += f": {self._detail}"
        if self._live:
            width = max(20, _width(self._stream) - 1)
            self._stream.write("\r\033[K" + words[:width])
            self._next = now + 0.2
        else:
            self._stream.write(words + "\n")
            self._next = now + _INTERVAL
        self._stream.flush()
        self._shown = True

    def _write_file(self) -> None:
        if not self._file:
            return
        try:
            with open(self._file, "w", encoding="utf-8") as file:
                file.write(self._detail)
        except OSError:
            # Progress is a courtesy; the work itself will report what is wrong with the disk.
            self._file = ""


def _width(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except OSError:
        return 80
