"""The scheduler's state: events in, messages out, the time passed in. No sockets, no clock (R1)."""
