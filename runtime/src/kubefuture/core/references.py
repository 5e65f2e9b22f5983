"""What stands in a pickle for large data: references to blobs, as persistent ids (R26).

packing     PickleBuffer of an array or frame, bytes, bytearray ──> (digest, start, stop, kind)
unpacking   (digest, start, stop, kind) ──> memory that is mapped privately, for each element anew (R28)
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterable, Sequence
from typing import Any

from ..protocol.messages import Blob
from .blobs import BlobError, BlobFile, Mapped, keep, offsets
from .remembered import Remembered
from .scalars import PICKLED, unpack
from .settings import BLOB_BYTES, BLOBS
from .sharing import map_shared, share_bytes, shared_part

Reference = tuple[bytes, int, int, str]
"""Digest, first byte, the one after the last, and what it is."""

_WRITABLE, _READ_ONLY, _BYTES, _BYTEARRAY = "writable", "read-only", "bytes", "bytearray"


class References:
    """The references of one pickle.

    Args:
        buffers: The large buffers that pickling will come to, in this order; more may come.
        keeps: Whether data becomes a blob here. Otherwise only what is shared is referred to.
        remembered: Knows what became a blob before.

    Attributes:
        files: The blobs that are referred to.
    """

    def __init__(
        self,
        buffers: Sequence[memoryview] = (),
        *,
        keeps: bool = True,
        remembered: Remembered | None = None,
    ) -> None:
        self._keeps = keeps
        self._remembered = remembered
        self.files: dict[bytes, BlobFile] = {}
        self._places: list[tuple[memoryview, BlobFile, int]] = []
        self._bytearrays: dict[int, tuple[bytearray, str]] = {}
        if keeps:
            for group in _groups(buffers):
                file = keep(group)
                self._places += [
                    (view, file, start) for view, start in zip(group, offsets(group), strict=False)
                ]
        self._places.reverse()

    def find(self, value: Any) -> Reference | None:
        """The reference that stands for a value, None for one that is packed as it is."""
        kind = type(value)
        if kind is pickle.PickleBuffer:
            return self._of_buffer(value)
        if kind is bytes and len(value) > BLOB_BYTES:
            return self._of_bytes(value, _BYTES)
        if kind is bytearray and len(value) > BLOB_BYTES:
            return self._of_bytes(value, self._named(value))
        return None

    def _named(self, value: bytearray) -> str:
        """Its kind, with a number: what refers to one bytearray twice does so on the other side, too."""
        new = value, f"{_BYTEARRAY} {len(self._bytearrays)}"
        return self._bytearrays.setdefault(id(value), new)[1]

    def _of_buffer(self, buffer: pickle.PickleBuffer) -> Reference | None:
        view = raw(buffer)
        if view is None or not is_large(view):
            return None
        kind = _READ_ONLY if view.readonly else _WRITABLE
        shared = shared_part(view)
        if shared is not None:
            return self._reference(*shared, view.nbytes, kind)
        if not self._keeps or view.nbytes <= BLOB_BYTES:
            return None
        if self._remembered is not None:
            if len(self.files) >= BLOBS:
                return None
            file = self._remembered.file(view)
            return self._reference(file, 0, view.nbytes, _READ_ONLY if self._remembered.read_only else kind)
        if self._places:
            known, file, start = self._places[-1]
            if known.obj is view.obj and known.nbytes == view.nbytes:
                self._places.pop()
                return self._reference(file, start, view.nbytes, kind)
        return self._reference(keep([view]), 0, view.nbytes, kind)

    def _of_bytes(self, value: bytes | bytearray, kind: str) -> Reference | None:
        shared = shared_part(value)
        if shared is not None:
            return self._reference(*shared, len(value), kind)
        if not self._keeps or len(self.files) >= BLOBS:
            return None
        return self._reference(keep([memoryview(value)]), 0, len(value), kind)

    def _reference(self, file: BlobFile, start: int, length: int, kind: str) -> Reference:
        self.files[file.blob.digest] = file
        return file.blob.digest, start, start + length, kind


def raw(buffer: pickle.PickleBuffer) -> memoryview | None:
    """Its bytes, None where they are not in one piece."""
    try:
        return buffer.raw()
    except BufferError:
        return None


def is_large(view: memoryview) -> bool:
    """Whether data is to leave the pickle: it is large, or a part of what is shared that is not tiny."""
    return view.nbytes > BLOB_BYTES or (view.nbytes > BLOB_BYTES // 16 and shared_part(view) is not None)


class Loader:
    """Unpacks what refers to blobs. Between two objects it keeps none of them open, so that their memory can go.

    Args:
        blobs: Those that it refers to, with paths that count here.
    """

    def __init__(self, blobs: Iterable[Blob]) -> None:
        self._blobs = {blob.digest: blob for blob in blobs}
        self._bytes: dict[bytes, bytes] = {}

    def load(self, payload: bytes) -> Any:
        """The object in a payload; what it refers to is mapped for it alone.

        Raises:
            BlobError: A blob cannot be used.
        """
        if payload[0] != PICKLED:
            return unpack(payload)
        return _Unpickler(payload, self._blobs, self._bytes).load()


def load_shared(payload: bytes, files: Iterable[BlobFile]) -> Any:
    """The object in a payload, over the blobs' own memory, read-only."""
    return _SharedUnpickler(payload, files).load()


class _SharedUnpickler(pickle.Unpickler):
    def __init__(self, payload: bytes, files: Iterable[BlobFile]) -> None:
        super().__init__(io.BytesIO(payload))
        self._files = {file.blob.digest: file for file in files}
        self._views: dict[bytes, memoryview] = {}
        self._bytearrays: dict[str, bytearray] = {}

    def persistent_load(self, reference: Reference) -> Any:
        digest, start, stop, kind = reference
        file = self._files[digest]
        if kind == _BYTES:
            return share_bytes(file) if stop - start == file.blob.size else file.read(start, stop)
        if kind.startswith(_BYTEARRAY):
            if kind not in self._bytearrays:
                self._bytearrays[kind] = bytearray(file.read(start, stop))
            return self._bytearrays[kind]
        view = self._views.get(digest)
        if view is None:
            view = self._views[digest] = map_shared(file)
        return view[start:stop]


class _Unpickler(pickle.Unpickler):
    def __init__(self, payload: bytes, blobs: dict[bytes, Blob], whole: dict[bytes, bytes]) -> None:
        super().__init__(io.BytesIO(payload))
        self._blobs = blobs
        self._bytes = whole
        self._views: dict[bytes, memoryview] = {}
        self._bytearrays: dict[str, bytearray] = {}

    def persistent_load(self, reference: Reference) -> Any:
        digest, start, stop, kind = reference
        blob = self._blobs.get(digest)
        if blob is None:
            raise BlobError("captured data is referred to that did not come along")
        if kind == _BYTES:
            return self._content(blob, start, stop)
        if kind.startswith(_BYTEARRAY):
            if kind not in self._bytearrays:
                self._bytearrays[kind] = bytearray(self._content(blob, start, stop))
            return self._bytearrays[kind]
        view = self._views.get(digest)
        if view is None:
            with Mapped(blob) as mapped:
                view = self._views[digest] = mapped.view()
        part = view[start:stop]
        return part.toreadonly() if kind == _READ_ONLY else part

    def _content(self, blob: Blob, start: int, stop: int) -> bytes:
        """Bytes, which nobody can change: one copy serves all who ask for the whole."""
        if (start, stop) != (0, blob.size):
            with Mapped(blob) as mapped:
                return mapped.content(start, stop)
        if blob.digest not in self._bytes:
            with Mapped(blob) as mapped:
                self._bytes[blob.digest] = mapped.content(start, stop)
        return self._bytes[blob.digest]


def _groups(buffers: Sequence[memoryview]) -> list[list[memoryview]]:
    """One buffer a blob, or several where there are very many, since each blob takes a descriptor."""
    if len(buffers) <= BLOBS:
        return [[buffer] for buffer in buffers]
    length = -(-len(buffers) // BLOBS)
    return [list(buffers[start : start + length]) for start in range(0, len(buffers), length)]
