"""Ways to run: one interface, each back end a file."""
