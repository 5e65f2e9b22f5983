"""Runs one element the same way everywhere: in a slot, and in place for the sequential plan."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ..protocol.messages import Blob, Function
from .context import Element
from .given import Given, shown, without_own_seed
from .packing import pack_result
from .quiet import is_quiet
from .raised import Place, calls_users
from .references import Loader
from .rng import Root, generator, unpack_root
from .scalars import BARE, unpack
from .seeds_ahead import SeedsAhead
from .unseeded import State, drawn, may_draw, state


class FunctionRunner:
    """A function as it arrived, ready to run elements of its call.

    Args:
        message: The packed function and how its elements are called.
        loaded: Called when it was unpickled for the first time, and what it needs was imported.
    """

    def __init__(self, message: Function, loaded: Callable[[], None] | None = None) -> None:
        self._message = message
        self._loaded = loaded
        self._shared: Any = None
        self._root = unpack_root(message.seed) if message.seed else None
        self._seeds = SeedsAhead()
        self._load = Loader(message.blobs).load if message.blobs else unpack
        self.plain = message.shared and not message.seed and not message.own_seeds and not message.blobs
        """Nothing is to be done around its elements, so that they can be run at full speed."""
        self.bare = message.bare
        """Each payload is the one argument itself."""
        self.has_blobs = bool(message.blobs)
        """They refer to large data that is mapped for each of them."""
        self.limit = message.limit
        self.level = message.level
        """Log records of this level and above are wanted."""
        self.levels = message.levels
        """Other loggers' own levels."""
        self.quiet = False
        """Given numbers and text its elements cannot print; known once it was unpickled."""
        self._drawless = False
        """Given numbers and text its elements cannot draw, so that there is nothing to seed."""
        self.name = ""
        """The function's, for people, once it was unpickled."""
        self._watched = not message.seed and not message.own_seeds

    def learn(self, blobs: Iterable[Blob]) -> None:
        """Its elements refer to these blobs, too."""
        self._load = Loader(blobs).load
        self.plain = False

    def element(self, index: int, payload: bytes) -> tuple[Element, bytes]:
        """What element `index` is, for code inside it that asks, and its arguments' part of the payload."""
        if self._message.own_seeds:
            length = int.from_bytes(payload[:4], "little")
            return Element(unpack_root(payload[4 : 4 + length]).child(0)), without_own_seed(payload)
        return Element(self._root.child(index) if self._root is not None else None), payload

    @calls_users
    def run(self, root: Root | None, payload: bytes) -> bytes:
        """Runs an element.

        Args:
            root: Where the element's random numbers come from, None without a seed.
            payload: Its packed arguments.

        Returns:
            The packed result.

        Raises:
            BaseException: Whatever the user's function raises; ResultError when the result cannot be packed.
        """
        function = self.function()
        args, kwargs = ((self._load(payload),), None) if self.bare else self._load(payload)
        if root is not None and not (self._drawless and not kwargs and BARE.issuperset(map(type, args))):
            self._seeds.seed(root)
            if self._message.rng:
                kwargs = {**(kwargs or {}), "rng": generator(root)}
        return pack_result(function(*args, **kwargs) if kwargs else function(*args))

    def place(self, payload: bytes, process: str = "") -> Place:
        """Where an element runs, for the message of an error.

        Args:
            payload: The element's.
            process: What to say of the process.
        """
        given = Given(payload, self._message.own_seeds, self.bare)
        return Place(self.name, shown(given, self._load), process)

    def watch(self) -> State | None:
        """What the global generators stand at before elements run; None if nobody needs to know (R25)."""
        return state() if self._watched else None

    def drew(self, before: State) -> bool:
        """Whether the elements since `watch` drew from the global generators without a seed. Said once."""
        if not self._watched or not drawn(before, state()):
            return False
        self._watched = False
        return True

    def function(self) -> Any:
        """The function: a fresh copy, or the one copy of a function that nothing can change (R28)."""
        if self._shared is not None:
            return self._shared
        function = self._load(self._message.payload)
        if self._message.shared:
            self._shared = function
        if not self.name:
            if self._loaded is not None:
                self._loaded()
            self.name = getattr(function, "__name__", type(function).__name__)
            self._watched = self._watched and may_draw(function)
            quiet = self._message.shared and is_quiet(function)
            self.quiet = self.plain and quiet
            self._drawless = quiet and not self._message.rng
        return function


def overrun(index: int, limit: float) -> TimeoutError:
    """The error of an element that ran longer than it may (R22)."""
    return TimeoutError(f"Element {index} ran longer than task_timeout={limit:g} s allows.")


def with_own_seed(root: Root, payload: bytes) -> bytes:
    """A payload that carries its element's own root in front."""
    packed = root.packed()
    return len(packed).to_bytes(4, "little") + packed + payload
