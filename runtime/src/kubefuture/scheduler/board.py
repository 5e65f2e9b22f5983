"""What the page for browsers is told: snapshots that the scheduler's loop makes, and only while somebody looks.

Every quarter of a second the loop sees whether a thread of the web server waits for a snapshot, and makes one.
"""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import msgspec

from ..machine.machine import Machine
from .news import News

FRESH_SECONDS = 1.0
"""A snapshot is shown to all who ask within so long."""

STUCK_SECONDS = 10.0
"""The loop does not work when it has not looked for so long."""

_LOOK_SECONDS = 0.25
_SHARE = 0.02
"""Snapshots take at most this part of the loop's time."""


class Board:
    """Hands snapshots from the loop to other threads.

    Args:
        machine: The state.
        project: The project's name.
        news: What went wrong.
    """

    def __init__(self, machine: Machine, project: str, news: News) -> None:
        self._machine = machine
        self._project = project
        self._news = news
        self._changed = threading.Condition()
        self._wanted = False
        self._made = float("-inf")
        self._not_before = float("-inf")
        self._beat = time.monotonic()
        self._snapshot = b""

    def watch(self) -> None:
        """Looks now and then, in the loop, whether somebody waits for a snapshot."""
        asyncio.get_running_loop().call_later(_LOOK_SECONDS, self.watch)
        now = self._beat = time.monotonic()
        if not self._wanted or now < self._not_before:
            return
        content = msgspec.json.encode(self._told(now))
        with self._changed:
            self._snapshot, self._wanted, self._made = content, False, time.monotonic()
            self._not_before = self._made + (self._made - now) / _SHARE
            self._changed.notify_all()

    def fetch(self, seconds: float) -> bytes | None:
        """A snapshot as JSON, in any other thread than the loop's.

        Args:
            seconds: How long it may take.

        Returns:
            None when there is none in time.
        """
        asked = time.monotonic() - FRESH_SECONDS
        with self._changed:
            if self._made < asked:
                self._wanted = True
            fresh = self._changed.wait_for(lambda: self._made >= asked, seconds)
            # One that is slow to make, since there is so much, is shown for longer.
            return self._snapshot if fresh or self._made >= asked - 10 * FRESH_SECONDS else None

    @property
    def silent_seconds(self) -> float:
        """For how long the loop has not looked."""
        return time.monotonic() - self._beat

    def _told(self, now: float) -> dict[str, Any]:
        seen = self._machine.glance(now)
        status, nodes = seen.status, seen.nodes
        return {
            "project": self._project,
            "at": time.time(),
            "up_seconds": status.uptime_s,
            "scheduler": {"host": status.host, "python": status.python},
            "workers": {
                "wanted": status.wanted_slots,
                "connected": sum(node.slots for node in nodes),
                **{what: sum(getattr(node, what) for node in nodes) for what in ("busy", "away", "leaving")},
            },
            "nodes": nodes,
            "elements": {
                "waiting": status.queued,
                "running": status.running,
                "done": status.done,
                "retried": status.retried,
                "failed": status.failed,
            },
            "programs": status.sessions,
            "maps": seen.maps,
            "more_maps": seen.more_maps,
            "futures": seen.futures,
            "troubles": self._news.troubles,
        }
