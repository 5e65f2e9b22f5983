"""A named map that was begun before, as a stream of outcomes."""

from __future__ import annotations

import time

from ..backends.base import Backend
from .inputs import Inputs
from .options import Options
from .stream import Stream, relayed


class Attached(Stream):
    """The outcomes of a named map that was begun before.

    Args:
        backend: Has a journal.
        options: How; the map's name among them.
    """

    def __init__(self, backend: Backend, options: Options) -> None:
        assert options.name is not None
        self.options = options
        self._name = options.name
        self._deadline = None if options.timeout is None else time.monotonic() + options.timeout
        self._inputs = Inputs(((),), None)
        self._inputs.next()  # there are none
        self._ahead = False
        self.taken = 0
        self._output = relayed(options)
        self._backend = backend
        self._call = call = backend.session.ask(options.name)
        with backend.session.lock:
            while call.whole < 0 and not call.arrived and not call.finished:
                if not call.changed.wait(self._patience()):
                    self._check_time()
        self.total = call.whole if call.whole >= 0 else None
