"""Blobs of this process: large data in memory that other processes of the machine can map (R26).

    user's array ── copied and hashed ──> BlobFile ── /proc/PID/fd/N ──> slots map it, each privately

On Linux the memory is sealed when it is full: nobody can change it any more, so its digest stays true. A
mapping is private: who writes to it gets own pages, and nobody else sees them.
"""

from __future__ import annotations

import fcntl
import hashlib
import mmap
import os
import tempfile
import threading
import weakref
from collections.abc import Sequence
from contextlib import suppress

import msgspec

from ..errors import KubefutureError
from ..protocol.messages import Blob
from .identity import this_machine

_STEP = 4 << 20
_ALIGNMENT = 64
_SEALED = hasattr(os, "memfd_create") and os.path.isdir("/proc/self/fd")
_NO_RESERVE: int = getattr(mmap, "MAP_NORESERVE", 0)


class BlobFile:
    """One blob that this process has. Its memory is given back when nothing refers to it any more.

    Attributes:
        blob: What others are told of it.
    """

    def __init__(self, blob: Blob, handle: int, path: str) -> None:
        self.blob = blob
        self._handle = handle
        self._end = weakref.finalize(self, _close, handle, path, os.getpid())
        self._end.atexit = not _SEALED  # at a program's end named work may still have to be handed over (R5)

    def read(self, start: int, stop: int) -> bytes:
        """Some of its bytes."""
        return os.pread(self._handle, stop - start, start)

    def map(self) -> mmap.mmap:
        """All of it, read-only."""
        return mmap.mmap(self._handle, self.blob.size, prot=mmap.PROT_READ)

    def inherited(self) -> None:
        """In a fork of the program, which has the same memory by a descriptor of its own."""
        if _SEALED:
            self.blob = msgspec.structs.replace(self.blob, path=_path(self._handle))


_living: weakref.WeakValueDictionary[bytes, BlobFile] = weakref.WeakValueDictionary()
_lock = threading.Lock()


def _forked() -> None:
    global _lock
    _lock = threading.Lock()  # the thread that held the old one may not be here to give it back
    for file in list(_living.values()):
        file.inherited()


os.register_at_fork(after_in_child=_forked)


def living(digest: bytes) -> BlobFile | None:
    """The blob with this digest, if this process has it."""
    return _living.get(digest)


def keep(buffers: Sequence[memoryview]) -> BlobFile:
    """Copies data into a blob, one buffer after the other; those that it had before are found again.

    Args:
        buffers: Contiguous bytes. Each begins at a multiple of 64 bytes, as `offsets` says.

    Raises:
        OSError: There is not enough memory.
    """
    size = offsets(buffers)[-1]
    with _lock:
        same_size = any(file.blob.size == size for file in _living.values())
    if same_size:
        known = _living.get(_digest(buffers))  # hashing costs less than copying
        if known is not None:
            return known
    handle, path = _new_file()
    try:
        digest = _copy(buffers, handle, size)
        if _SEALED:
            seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
            fcntl.fcntl(handle, fcntl.F_ADD_SEALS, seals)
    except BaseException:
        _close(handle, path, os.getpid())
        raise
    inode = os.fstat(handle).st_ino
    kept = BlobFile(Blob(digest, size, path, this_machine() if _SEALED else "", inode), handle, path)
    with _lock:
        return _living.setdefault(digest, kept)


def offsets(buffers: Sequence[memoryview]) -> list[int]:
    """Where each buffer begins in a blob, and, last, how long that is."""
    found, at = [], 0
    for number, buffer in enumerate(buffers):
        found.append(at)
        at += buffer.nbytes
        if number + 1 < len(buffers):
            at += -at % _ALIGNMENT
    return [*found, at]


class Mapped:
    """A blob of any process of this machine, as elements here use it.

    Args:
        blob: What is known of it; its path counts here.

    Attributes:
        handle: Its descriptor.
        inode: Tells it from whatever has the descriptor's number later.

    Raises:
        BlobError: It is not there, or is something else.
    """

    def __init__(self, blob: Blob) -> None:
        self._size = blob.size
        if not blob.path:
            raise BlobError(
                f"{blob.size} bytes of captured data could not be had{blob.problem or ' on this worker'}"
            )
        try:
            self.handle = os.open(blob.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise BlobError(f"captured data of {blob.size} bytes cannot be opened: {error}") from None
        self._end = weakref.finalize(self, _close, self.handle, "", os.getpid())
        status = os.fstat(self.handle)
        self.inode = status.st_ino
        if (status.st_size, status.st_uid) != (blob.size, os.getuid()) or (
            blob.inode and status.st_ino != blob.inode
        ):
            self._end()
            raise BlobError(f"captured data of {blob.size} bytes is not what {blob.path} holds")

    def close(self) -> None:
        """Gives its descriptor back; what is mapped stays."""
        self._end()

    def __enter__(self) -> Mapped:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def is_sealed(self) -> bool:
        """Whether nobody can change it."""
        if not _SEALED:
            return False
        try:
            return bool(fcntl.fcntl(self.handle, fcntl.F_GET_SEALS) & fcntl.F_SEAL_WRITE)
        except OSError:
            return False

    def view(self) -> memoryview:
        """All of it, in memory of one's own: writing to it changes nothing elsewhere."""
        flags = mmap.MAP_PRIVATE | _NO_RESERVE
        return memoryview(
            mmap.mmap(self.handle, self._size, flags=flags, prot=mmap.PROT_READ | mmap.PROT_WRITE)
        )

    def content(self, start: int, stop: int) -> bytes:
        """Some of it as bytes."""
        with mmap.mmap(self.handle, self._size, prot=mmap.PROT_READ) as mapping:
            return mapping[start:stop]


class BlobError(KubefutureError):
    """A blob cannot be used here."""


def _new_file() -> tuple[int, str]:
    if _SEALED:
        handle = os.memfd_create("kubefuture-blob", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        return handle, _path(handle)
    return tempfile.mkstemp(prefix="kubefuture-blob-")


def _path(handle: int) -> str:
    return f"/proc/{os.getpid()}/fd/{handle}"


def _close(handle: int, path: str, owner: int) -> None:
    with suppress(OSError):
        os.close(handle)
    if path and not _SEALED and owner == os.getpid():
        with suppress(OSError):
            os.unlink(path)


def _digest(buffers: Sequence[memoryview]) -> bytes:
    digest, end = hashlib.sha256(), 0
    for buffer, start in zip(buffers, offsets(buffers), strict=False):
        digest.update(bytes(start - end))
        digest.update(buffer)
        end = start + buffer.nbytes
    return digest.digest()


def _copy(buffers: Sequence[memoryview], handle: int, size: int) -> bytes:
    """Copies everything, while a thread hashes the copy a little behind; returns the digest."""
    os.ftruncate(handle, size)
    following = _Following(handle, size)
    try:
        for buffer, start in zip(buffers, offsets(buffers), strict=False):
            at = 0
            while at < buffer.nbytes:
                at += os.pwrite(handle, buffer[at : at + _STEP], start + at)
                following.advance(start + at)
    finally:
        digest = following.end()
    return digest


class _Following:
    """Hashes a file while it is written. Small ones in place, since a thread costs more."""

    def __init__(self, handle: int, size: int) -> None:
        self._digest = hashlib.sha256()
        self._mapping = mmap.mmap(handle, size, prot=mmap.PROT_READ)
        self._written = self._hashed = 0
        self._over = False
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        if size > 2 * _STEP:
            self._thread = threading.Thread(target=self._run, name="kubefuture-hash", daemon=True)
            self._thread.start()

    def advance(self, written: int) -> None:
        with self._changed:
            self._written = written
            self._changed.notify()

    def end(self) -> bytes:
        with self._changed:
            self._over = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()
        else:
            self._run()
        self._mapping.close()
        return self._digest.digest()

    def _run(self) -> None:
        while True:
            with self._changed:
                while self._hashed == self._written and not self._over:
                    self._changed.wait()
                written, over = self._written, self._over
            with memoryview(self._mapping) as view, view[self._hashed : written] as part:
                self._digest.update(part)
            self._hashed = written
            if over:
                return
