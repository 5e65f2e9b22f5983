"""The journal's folder: its files, who has them open, what was committed last, and how much room is left.

    journal.sqlite        the database, made under another name and then renamed, so that it is whole or not there
    journal.sqlite-wal    SQLite's own: commits that are not in the database yet; -shm is an index of it
    journal.lock          locked by the process that has the journal open; holds the last commit's number

A commit whose part of the -wal file is damaged looks to SQLite like one that was never finished, and is dropped
without a word. That is what the number in journal.lock is for: it is written, not synced, after each commit, so it
may be behind the truth after a power failure, but never ahead of it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
import zlib
from pathlib import Path

from ..errors import JournalBusyError, JournalError

_MARK_BYTES = 30


class JournalFiles:
    """Where the files are.

    Args:
        folder: The journal's folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = folder / "journal.sqlite"
        self.wal = folder / "journal.sqlite-wal"
        self.unfinished = folder / "journal.new"
        self.lock = folder / "journal.lock"

    def prepare(self) -> None:
        """Makes the folder, and both it and what is in it private."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        for path in (self.database, self.wal, self.lock, self.folder / "journal.sqlite-shm"):
            if path.exists():
                path.chmod(0o600)
        for path in (self.unfinished, self.folder / "journal.new-journal"):
            path.unlink(missing_ok=True)

    def sync_folder(self) -> None:
        """A file that was made or renamed is found after a power failure, too."""
        handle = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def used_bytes(self) -> int:
        """What the files take."""
        return sum(path.stat().st_size for path in (self.database, self.wal) if path.exists())

    def wal_bytes(self) -> int:
        """What the -wal file takes, however little of it is still needed."""
        return self.wal.stat().st_size if self.wal.exists() else 0

    def free_bytes(self) -> int:
        """What is left on the file system for us."""
        status = os.statvfs(self.folder)
        return status.f_bavail * status.f_frsize

    def damaged(self, found: str) -> JournalError:
        """The error for a journal that is not what was written."""
        return JournalError(
            f"The journal of named work, {self.database}, cannot be used: {found}. To keep what is left of it, copy "
            f"the folder {self.folder} away. Then put an earlier copy of the whole folder in its place, or remove "
            "it, which loses the named maps and their results and nothing else."
        )

    def unusable(self, error: Exception) -> JournalError:
        """The error for what Python or SQLite said while the journal was opened."""
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        vague = code in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)
        full = code == sqlite3.SQLITE_FULL or (isinstance(error, OSError) and error.errno == errno.ENOSPC)
        if full or (vague and self._is_full()):
            return JournalError(
                f"The journal of named work in {self.folder} cannot be opened: its file system is full. Make room "
                "there and start again; what the journal holds is kept."
            )
        if isinstance(error, OSError) or vague or code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
            reason = getattr(error, "strerror", None) or error
            return JournalError(
                f"The journal of named work in {self.folder} cannot be written: {reason}. The folder and its files "
                f"must belong to the user of this process (uid {os.geteuid()}) and be on a file system that can be "
                "written; what the journal holds is kept."
            )
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return JournalError(
                f"The journal of named work in {self.folder} is in use: another program has {self.database.name} "
                "open. End that program, then start again."
            )
        return self.damaged(f"SQLite says: {error}")

    def _is_full(self) -> bool:
        try:
            return self.free_bytes() < 1 << 16
        except OSError:
            return False


class JournalLock:
    """Holds the lock file, from which the kernel lifts the lock when the process ends, however it does.

    Attributes:
        committed: Number of the last commit that an earlier holder was told of, or -1 if it cannot be read.
        is_new: There was no lock file, or nothing in it.

    Raises:
        JournalError: Another process holds it.
        OSError: It cannot be made.
    """

    def __init__(self, files: JournalFiles) -> None:
        self._handle = os.open(files.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            content = os.pread(self._handle, 100, 0)
            try:
                fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pid = content[_MARK_BYTES:].decode(errors="replace").strip()
                raise JournalBusyError(
                    f"The journal of named work in {files.folder} is open in another process"
                    f"{f' (pid {pid})' if pid else ''}. Two schedulers cannot share one: run `make down` "
                    "or end that process, then start again."
                ) from None
            self.is_new = not content
            self.committed = _read_mark(content[:_MARK_BYTES])
        except BaseException:
            os.close(self._handle)
            raise

    def sign(self, committed: int) -> None:
        """Writes who we are and what the journal holds, and sees to it that this is on the disk."""
        content = _mark(committed) + f"{os.getpid()}\n".encode()
        os.pwrite(self._handle, content, 0)
        os.ftruncate(self._handle, len(content))
        os.fsync(self._handle)

    def mark(self, committed: int) -> None:
        """Notes a commit."""
        try:
            os.pwrite(self._handle, _mark(committed), 0)
        except OSError:
            pass  # it only helps to notice damage; the commit holds

    def release(self) -> None:
        """Lets others have the journal."""
        os.close(self._handle)


def _mark(committed: int) -> bytes:
    digits = b"%020d" % committed
    return b"%s %08x\n" % (digits, zlib.crc32(digits))


def _read_mark(content: bytes) -> int:
    digits = content[:20]
    if len(content) < _MARK_BYTES or not digits.isdigit() or content != _mark(int(digits)):
        return -1
    return int(digits)
