"""Warnings that point at the user's own line."""

from __future__ import annotations

import sys
import warnings


def warn_user(text: str) -> None:
    """Warns, at the line of the user's that called us.

    Raises:
        UserWarning: The user wants warnings to be errors.
    """
    frame, level = sys._getframe(), 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("kubefuture."):
        frame, level = frame.f_back, level + 1
    warnings.warn(text, UserWarning, stacklevel=level)
