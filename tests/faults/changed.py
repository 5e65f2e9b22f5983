"""Programs of ours that run some code first, as a test needs that changes one of their numbers."""

from __future__ import annotations

import os

from .programs import SOURCE, Cluster, Program


class Changed(Cluster):
    """A cluster, some of whose programs are changed.

    Args:
        code: What they run before anything else.
        roles: Which of them.
        slots: How many.
    """

    def __init__(self, code: str, roles: tuple[str, ...] = ("scheduler",), *, slots: int = 2) -> None:
        super().__init__(slots)
        self._roles = roles
        self._site = self.folder / "site"
        self._site.mkdir()
        (self._site / "sitecustomize.py").write_text(code)

    def program(self, role: str, *arguments: str, **changes: str) -> Program:
        """Starts a program without waiting for what it says."""
        if role in self._roles:
            changes["PYTHONPATH"] = f"{self._site}{os.pathsep}{SOURCE}"
        return super().program(role, *arguments, **changes)
