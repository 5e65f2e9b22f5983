"""What an element went through that was no outcome: retries, strikes, losses (R19)."""

from __future__ import annotations

from collections.abc import Iterator

from ..protocol.poison import Strike


class Troubled:
    """How often each element of a call had what trouble: `retry`, `strike` or `loss`."""

    __slots__ = ("_blamed", "_charged", "_strikes", "_troubles")

    def __init__(self) -> None:
        self._troubles: dict[tuple[str, int], int] | None = None
        self._blamed: dict[tuple[str, int], tuple[int, ...]] | None = None
        self._strikes: dict[int, tuple[Strike, ...]] | None = None
        self._charged: dict[int, int] | None = None

    def count(self, trouble: str, index: int, lease: int) -> int:
        """Counts one more trouble of an element, which it had in a lease, and returns how many it had."""
        if self._troubles is None:
            self._troubles = {}
        key = trouble, index
        count = self._troubles[key] = self._troubles.get(key, 0) + 1
        if trouble != "loss":  # which workers do not tell of, and so never twice
            self._blamed = self._blamed or {}
            self._blamed[key] = (*self._blamed.get(key, ()), lease)
        return count

    def has_counted(self, trouble: str, index: int, lease: int) -> bool:
        """Whether a retry or a strike was counted for this lease before."""
        return lease in (self._blamed or {}).get((trouble, index), ())

    def uncount(self, trouble: str, index: int) -> int:
        """Takes one trouble of an element back and returns how many are left."""
        count = max(self.had(trouble, index) - 1, 0)
        if self._troubles is not None:
            self._troubles[trouble, index] = count
        return count

    def had(self, trouble: str, index: int) -> int:
        """How often an element had this trouble."""
        return (self._troubles or {}).get((trouble, index), 0)

    def troubles(self) -> Iterator[tuple[str, int]]:
        """Each kind of trouble that an element had, and how often it had that."""
        for (trouble, _), count in (self._troubles or {}).items():
            yield trouble, count

    def strikes(self, index: int, latest: Strike | None) -> tuple[Strike, ...]:
        """Keeps what is known of a new strike of an element, and returns all that it had."""
        if self._strikes is None:
            self._strikes = {}
        if latest is not None:
            self._strikes[index] = (*self._strikes.get(index, ()), latest)
        return self._strikes.get(index, ())

    def charge(self, lease: int, index: int) -> None:
        """A loss was counted for an element, since this lease was lost with its worker."""
        self._charged = {**(self._charged or {}), lease: index}

    def discharge(self, lease: int) -> int | None:
        """The element that was charged for a lease, which is forgotten with that; None for none."""
        return self._charged.pop(lease, None) if self._charged else None
