"""Warnings that point at the user's own line."""

from __future__ import annotations

import sys
import warnings
from types import FrameType


def warn_user(text: str) -> None:
    """Warns, at the line of the user's that called us.

    Raises:
        UserWarning: The user wants warnings to be errors.
    """
    _, level = users_frame()
    warnings.warn(text, UserWarning, stacklevel=level)


def users_frame() -> tuple[FrameType, int]:
    """The frame of the user's that called us, and how many frames our caller's is below it, as `stacklevel` counts."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and is_ours(frame.f_globals.get("__name__", "")):
        frame, level = frame.f_back, level + 1
    return frame, level


def is_ours(module: str) -> bool:
    """Whether a module is one of this package; the claims of its conformance suite are a user's."""
    return module.startswith("kubefuture.") and not module.startswith("kubefuture.conformance.")
