"""One running program of the keeper's: its process, and the pipe on which it says that it is ready."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from . import words
from .programs import Program

_LONGEST_SENTENCE = 4096


class Child:
    """A started program.

    Args:
        program: What to start.
        log: Where its output goes.
        lifeline: Read end of a pipe whose write end only the keeper has.
        environment: The keeper's environment.

    Raises:
        OSError: It cannot be started.
    """

    def __init__(self, program: Program, log: Path, lifeline: int, environment: Mapping[str, str]) -> None:
        self.name = program.name
        self._log = log
        self._said = b""
        self.pipe: int | None = None
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        read, write = os.pipe()
        try:
            # Not every program writes lines with a time, by which `make logs` knows where they belong.
            with contextlib.suppress(OSError):
                os.write(output, f"{words.stamp()} is started\n".encode())
            self._log_start = os.fstat(output).st_size
            self._process = subprocess.Popen(
                [*program.arguments, "--ready-fd", str(write), "--lifeline-fd", str(lifeline)],
                env={**environment, **program.environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(write, lifeline),
            )
            os.set_blocking(read, False)
            self.pipe = read
        except BaseException:
            os.close(read)
            raise
        finally:
            os.close(write)
            os.close(output)

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def hear(self) -> str | None:
        """Reads what the program says on its pipe, which has something to read.

        Returns:
            "ready", "error", or None when it has said neither (yet, or ever: then the pipe is None).
        """
        assert self.pipe is not None
        try:
            piece = os.read(self.pipe, _LONGEST_SENTENCE)
        except BlockingIOError:
            return None
        self._said += piece
        if not piece or b"\n" in self._said or len(self._said) > _LONGEST_SENTENCE:
            self.close()
        if b"\n" not in self._said:
            return None
        return "ready" if self._said.split(b"\n")[0] == b"ready" else "error"

    def send(self, number: int) -> None:
        """Sends a signal; harmless when the program is gone."""
        self._process.send_signal(number)

    def exit_reason(self) -> str | None:
        """Why the program is gone, as a sentence, or None while it lives."""
        status = self._process.poll()
        if status is None:
            return None
        # What it said last may still be in the pipe; a child of its own may keep the pipe open.
        if self.pipe is not None:
            self.hear()
            self.close()
        line = self._said.split(b"\n")[0].decode(errors="replace").strip()
        if line.startswith("error "):
            return line.removeprefix("error ")
        ending = words.ending(self.name, status)
        if status == 0:
            return f"{ending}."
        said = words.last_lines(self._log, self._log_start)
        return f"{ending}: {said}" if said else f"{ending}, and said nothing."

    def close(self) -> None:
        """Closes the pipe."""
        if self.pipe is not None:
            os.close(self.pipe)
            self.pipe = None
