"""The folder that the program is in, also when somebody removed it."""

from __future__ import annotations

import os


def current_folder() -> str:
    """The present folder's path; empty where it was removed, or may not be seen."""
    try:
        return os.getcwd()
    except OSError:
        return ""
