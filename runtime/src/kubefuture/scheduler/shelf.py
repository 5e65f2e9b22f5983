"""Where the scheduler puts bytes that would take too much memory: files without a name, gone with its process (R16).

What is put there is in memory elsewhere, too, as with the client that sent it, or comes again (R4, R7); so nothing is
synced, and a file that soon is not needed any more may never reach the disk. Payloads are written one after the other.
A file is given back when nothing that it holds is referred to any more.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from weakref import WeakSet

import msgspec

from ..core.settings import SHELF_BYTES
from ..errors import JournalError
from ..protocol.away import Away


class Shelf:
    """The files.

    Args:
        folder: Where they are; they never have a name there.
        log: Takes one line for the log.
        failed: Told, as a sentence, that something cannot be read again.
    """

    def __init__(self, folder: Path, log: Callable[[str], None], failed: Callable[[str], None]) -> None:
        self._folder = folder
        self._log = log
        self._failed = failed
        self._files: WeakSet[_File] = WeakSet()
        self._last: _File | None = None
        self._full = False

    @property
    def used_bytes(self) -> int:
        """What the files take."""
        return sum(file.length for file in self._files)

    def put(self, content: bytes) -> Shelved | None:
        """Puts bytes away; None when the file system takes no more, which is logged once."""
        try:
            file = self._last
            if file is None:
                file = self._last = _File(self._folder)
                self._files.add(file)
            offset = file.append(content)
            if file.length >= SHELF_BYTES:
                self._last = None  # so that it is given back with the last of what it holds
        except OSError as error:
            if not self._full:
                self._log(
                    f"large arguments and results stay in memory, since they cannot be written in {self._folder}: "
                    f"{error.strerror}"
                )
            self._full = True
            return None
        self._full = False
        return Shelved(self, file, offset, len(content))

    def read(self, file: _File, offset: int, length: int) -> bytes:
        """Takes bytes from a file of this shelf.

        Raises:
            JournalError: They cannot be read; the scheduler has been told so.
        """
        try:
            return file.read(offset, length)
        except OSError as error:
            sentence = (
                f"What the scheduler had put into {self._folder} cannot be read: {error.strerror or error}."
            )
            self._failed(sentence)
            raise JournalError(sentence) from None


class Shelved(Away):
    """Bytes on the shelf; they stay there for as long as this is referred to."""

    __slots__ = ("_file", "_length", "_offset", "_shelf")

    def __init__(self, shelf: Shelf, file: _File, offset: int, length: int) -> None:
        self._shelf = shelf
        self._file = file
        self._offset = offset
        self._length = length

    def __len__(self) -> int:
        return self._length

    def load(self) -> bytes:
        """The bytes."""
        return self._shelf.read(self._file, self._offset, self._length)


class ShelvedMessage(Away):
    """A message on the shelf."""

    __slots__ = ("_content",)

    def __init__(self, content: Shelved) -> None:
        self._content = content

    def __len__(self) -> int:
        return len(self._content)

    def load(self) -> msgspec.Raw:
        """The message, encoded."""
        return msgspec.Raw(self._content.load())


class _File:
    """One of them.

    Attributes:
        length: So much is written.
    """

    def __init__(self, folder: Path) -> None:
        self._file = tempfile.TemporaryFile(dir=folder, buffering=0)
        self.length = 0

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            self._file.close()

    def append(self, content: bytes) -> int:
        """Writes all of it, or raises OSError; returns where it begins."""
        view, position = memoryview(content), self.length
        while view:
            written = os.pwrite(self._file.fileno(), view, position)
            view, position = view[written:], position + written
        offset, self.length = self.length, position
        return offset

    def read(self, offset: int, length: int) -> bytes:
        """Reads all of it, or raises OSError."""
        content = os.pread(self._file.fileno(), length, offset)
        while len(content) < length:
            more = os.pread(self._file.fileno(), length - len(content), offset + len(content))
            if not more:
                raise OSError("it is shorter than it was")
            content += more
        return content
