"""Whether uv can keep downloads where it would. Used by bootstrap.py too, so it needs the standard library alone."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path


def without_a_cache_if_need_be(environment: Mapping[str, str]) -> dict[str, str]:
    """Uv's environment; where its cache cannot be written, as in a home folder that is read-only, uv goes without.

    Args:
        environment: The user's own.
    """
    home = Path(environment.get("HOME") or "~").expanduser()
    caches = environment.get("XDG_CACHE_HOME") or home / ".cache"
    folder = Path(environment.get("UV_CACHE_DIR") or Path(caches, "uv"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return dict(environment)
    except OSError:
        return {**environment, "UV_NO_CACHE": "1"}
