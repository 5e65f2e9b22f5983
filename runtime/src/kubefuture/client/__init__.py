"""The client: holds its unnamed work, talks to a scheduler, collects results."""
