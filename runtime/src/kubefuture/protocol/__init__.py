"""The wire format: messages, framing, login. No sockets, no clock."""
