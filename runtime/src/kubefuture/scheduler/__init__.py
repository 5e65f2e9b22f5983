"""The scheduler daemon: a thin asyncio shell around `machine`. It never unpickles anything."""
