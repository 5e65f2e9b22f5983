"""Large arrays that a caller passes again and again, known by where they lie, so that each is hashed once (R27).

An array that is passed for the first time becomes a blob that lives as long as the work that refers to it, as one
does that is passed only once. From the second time on the blob is kept, for as long as the array lives; of all
arrays those that were used last.
"""

from __future__ import annotations

import threading
import weakref
from typing import Any

from .blobs import BlobFile, keep
from .settings import BLOBS
from .sharing import address_of

_Place = tuple[int, int]
"""An address and a length, in bytes."""


class Remembered:
    """The arrays of a caller who promises not to change them meanwhile.

    Args:
        read_only: Whether elements may only read them.

    Attributes:
        read_only: The same.
    """

    def __init__(self, *, read_only: bool) -> None:
        self.read_only = read_only
        self._lock = threading.RLock()  # an array may die, and be forgotten, in the middle of anything
        self._once: dict[_Place, tuple[weakref.ref[Any], weakref.ref[BlobFile]]] = {}
        self._kept: dict[_Place, BlobFile] = {}

    def file(self, view: memoryview) -> BlobFile:
        """The blob of some bytes.

        Raises:
            OSError: There is not enough memory.
        """
        owner = _owner(view.obj)
        place = address_of(view), view.nbytes
        with self._lock:
            known, again = self._known(owner, place)
            file = keep([view]) if known is None else known
            try:
                alive = weakref.ref(owner, lambda _: self._forget(place))
            except TypeError:  # nobody would say when its memory is another's
                return file
            self._once[place] = alive, weakref.ref(file)
            if again:
                self._kept.pop(place, None)
                self._kept[place] = file
                if len(self._kept) > BLOBS:
                    del self._kept[next(iter(self._kept))]
            return file

    def clear(self) -> None:
        """Forgets all of them."""
        with self._lock:
            self._once.clear()
            self._kept.clear()

    def _known(self, owner: Any, place: _Place) -> tuple[BlobFile | None, bool]:
        """The blob of a place, if it is still there, and whether the place was seen before."""
        seen = self._once.get(place)
        if seen is None or seen[0]() is not owner:
            return None, False
        return seen[1](), True

    def _forget(self, place: _Place) -> None:
        with self._lock:
            seen = self._once.get(place)
            if seen is not None and seen[0]() is None:  # else another array lies there by now
                del self._once[place]
                self._kept.pop(place, None)


def _owner(value: Any) -> Any:
    """The array whose memory it is: views of it come and go, and so does the transposed one that is pickled."""
    while hasattr(base := getattr(value, "base", None), "__array_interface__"):
        value = base
    return value
