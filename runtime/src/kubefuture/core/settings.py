"""Numbers that the runtime's rules name, each in one place and with its unit."""

from __future__ import annotations

from typing import Final

CHUNK_SECONDS: Final = 0.02
"""A lease of a map holds at most this much measured work, in seconds. Short, because the next ones
are fetched ahead and can be taken back, so a longer one would only delay balancing (R14)."""

CHUNK_BYTES: Final = 1 << 20
"""A lease holds at most this many bytes of arguments (R14)."""

CHUNK_ELEMENTS: Final = 4096
"""A lease holds at most this many elements, so that a frame stays small (R14)."""

MAX_CREDITS: Final = 16
"""At most this many leases a slot, the running one included (R13)."""

STRIKES: Final = 3
"""Deaths of a slot on one element before it is reported as poison (R19)."""

LOSSES: Final = 10
"""Losses of an element that were not its own doing (drain, lost worker) before it is given up (R19)."""

STICKY_SECONDS: Final = 10.0
"""A slot stays with its session for at least this long while that has work queued (R3)."""

HANDOVER_SECONDS: Final = 0.001
"""A slot hands finished results over when this much time passed since it last did (R14)."""

INTERRUPT_GRACE: Final = 2.0
"""Seconds between SIGINT and SIGKILL for a running element that was cancelled (R21)."""

WINDOW_BYTES: Final = 64 << 20
"""At most this many bytes of arguments a session are on the way without a result (R16)."""

READ_AHEAD: Final = 100
"""`imap` reads at least this many inputs ahead, or 4 a slot if that is more (R16)."""

QUIET_SECONDS: Final = 10.0
"""After this long without any slot one line says why (R23)."""

RECONNECT_SECONDS: Final = 60.0
"""How long a client tries to reach a scheduler that stopped answering before it gives up."""

SLOT_START_SECONDS: Final = 60.0
"""A slot that is not ready after this many seconds is taken for dead."""
