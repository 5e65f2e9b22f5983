"""One program at a time is a run: the second would take the first one's maps from it (R5).

A lock of the system is held as long as the program lives, however it ends. Its file is named after the folder that the
program was started in, and the run.
"""

from __future__ import annotations

import atexit
import fcntl
import hashlib
import os
import tempfile
from contextlib import suppress
from pathlib import Path

from ..errors import NamedMapError
from .current_folder import current_folder
from .forks import abandon_in_forks

_started_in = current_folder()


class RunLock:
    """The lock of a run, taken.

    Args:
        run: The run's name.

    Raises:
        NamedMapError: Another program is this run.
    """

    def __init__(self, run: str) -> None:
        digest = hashlib.sha256(os.fsencode(f"{_started_in}\n{run}")).hexdigest()[:16]
        self._file = Path(tempfile.gettempdir(), f"kubefuture-{os.getuid()}-run-{digest}")
        self._handle = _locked(self._file, run)
        abandon_in_forks(self)
        atexit.register(self.release)

    def abandon(self) -> None:
        """In a fork of the program, which is not the run."""
        os.close(self._handle)
        atexit.unregister(self.release)

    def release(self) -> None:
        """The program ends, or is the run no more."""
        atexit.unregister(self.release)
        with suppress(OSError):
            self._file.unlink()
        os.close(self._handle)


def _locked(file: Path, run: str) -> int:
    while True:
        handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(handle, 20, 0).decode("ascii", "replace") or "that has just started"
            os.close(handle)
            raise NamedMapError(
                f"Run {run!r} goes on already, in process {holder}: two programs cannot be one run. Wait for it, end "
                "it (what it has begun is kept), or choose another name: make run RUN=..."
            ) from None
        with suppress(FileNotFoundError):
            if os.fstat(handle).st_ino == os.stat(file).st_ino:
                os.ftruncate(handle, 0)
                os.pwrite(handle, b"%d" % os.getpid(), 0)
                return handle
        os.close(handle)  # who had it before has just removed it
