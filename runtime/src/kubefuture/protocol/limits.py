"""Limits of the wire format, each in one place and with its unit."""

from __future__ import annotations

from typing import Final

FRAME_BYTES: Final = 256 << 10
"""The largest frame; a longer message is several (R16)."""

MESSAGE_BYTES: Final = 4 << 30
"""The longest message that is put together from frames, in bytes."""

LOGIN_BYTES: Final = 1 << 10
LOGIN_SECONDS: Final = 10.0
"""What a connection may send, and how long it may take, before it has logged in (R31)."""
