"""Limits of the wire format, each in one place and with its unit."""

from __future__ import annotations

from typing import Final

FRAME_BYTES: Final = 256 << 10
"""The largest frame; a longer message is several (R16)."""

MESSAGE_BYTES: Final = 4 << 30
"""The longest message that is put together from frames, in bytes."""

LOGIN_SECONDS: Final = 10.0
"""How long a connection may take before it has logged in, TLS included (R31). What it may send until
then is the login, whose length is fixed: no more of it is ever kept."""

STRANGERS: Final = 256
"""How many connections that have not logged in there may be at a time, for each listening socket."""

MOST_SLOTS: Final = 10_000
"""How many slots a message may ask for: a slip of the finger is not to keep a scheduler busy for hours."""
