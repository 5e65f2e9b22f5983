"""The ways in which objects are pickled. The only module that imports cloudpickle."""

from __future__ import annotations

import io
import pickle
from collections import ChainMap
from collections.abc import Callable
from types import CodeType
from typing import Any, ClassVar

import cloudpickle

from .captured import Size
from .reducers import REDUCERS, learn_numpy
from .references import Reference, References, is_large, raw
from .sharing import shared_part

_reduce_code = cloudpickle.Pickler.dispatch_table[CodeType]
_FILENAME = 10
"""Where CodeType's constructor takes the file's name."""


def _code(value: CodeType) -> tuple[Any, ...]:
    """As cloudpickle does, but with the file, by which a traceback shows lines: from 3.1.3 on it leaves that out."""
    kind, args = _reduce_code(value)
    return kind, (*args[:_FILENAME], "".join(value.co_filename), *args[_FILENAME + 1 :])  # a copy, as it does


class OwnWay(cloudpickle.Pickler):  # type: ignore[misc]
    """Packs some more of Python's own objects."""

    dispatch_table: ClassVar = ChainMap({CodeType: _code}, REDUCERS, cloudpickle.Pickler.dispatch_table)

    def dump(self, obj: Any) -> None:
        """As pickle does."""
        learn_numpy()
        super().dump(obj)


class LargeApart(OwnWay):
    """Lets large data out of the pickle."""

    def __init__(self, file: io.BytesIO, references: References) -> None:
        super().__init__(file, protocol=5)
        self._references = references

    def persistent_id(self, value: Any) -> Reference | None:
        """What stands for it, if it is large."""
        return self._references.find(value)


class _Scales(OwnWay):
    """Packs nothing, but says what packing an object would come to."""

    def __init__(self) -> None:
        super().__init__(self, protocol=5)
        self._apart: dict[int, int] = {}
        self._kept: list[Any] = []
        self._within = 0

    def write(self, content: Any) -> int:
        """Called for each piece of the pickle."""
        size = len(content) if isinstance(content, bytes) else memoryview(content).nbytes
        self._within += size
        return size

    def persistent_id(self, value: Any) -> int | None:
        """The same, without taking a copy."""
        view = raw(value) if type(value) is pickle.PickleBuffer else None
        if view is None and type(value) in (bytes, bytearray):
            view = memoryview(value)
        if view is None or not is_large(view):
            return None
        if shared_part(view if type(value) is pickle.PickleBuffer else value) is None:
            self._apart[id(view.obj)] = view.nbytes
            self._kept.append(view)
        return 0

    @property
    def size(self) -> Size:
        """What has been packed."""
        return Size(sum(self._apart.values()), self._within)


def dumps(value: Any, collector: Callable[[pickle.PickleBuffer], bool] | None = None) -> bytes:
    """The pickle of an object; large buffers in it are offered to the collector, and left out where that says so."""
    OwnWay(file := io.BytesIO(), 5, collector).dump(value)
    return file.getvalue()


def weigh(value: Any) -> Size:
    """What an object weighs; raises what packing it would raise."""
    (scales := _Scales()).dump(value)
    return scales.size


class PlainErrors(OwnWay):
    """Packs exceptions as Python does: tblib's way, which Dask registers, loses the code of a SystemExit."""

    def reducer_override(self, value: Any) -> Any:
        """How an object is packed, where its class does not decide."""
        own = isinstance(value, BaseException)
        return value.__reduce_ex__(5) if own else super().reducer_override(value)
