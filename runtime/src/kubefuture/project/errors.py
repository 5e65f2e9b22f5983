"""What went wrong in a project, as a sentence that a person can act on."""

from __future__ import annotations

import errno
import os

from ..errors import KubefutureError

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
_NO_PERMISSION = (errno.EACCES, errno.EPERM, errno.EROFS)


class ProjectError(KubefutureError):
    """Something in the project or on this machine has to be changed first.

    Attributes:
        exit_code: What the command ends with.
    """

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def explain(error: OSError, place: str | os.PathLike[str] | None = None) -> str:
    """Says what an error of the operating system means here, and what to do.

    Args:
        error: The error.
        place: What was read or written, where the error itself does not say.
    """
    where = error.filename if error.filename is not None else place
    name = os.fsdecode(where) if isinstance(where, (str, bytes, os.PathLike)) else os.getcwd()
    if error.errno in _NO_SPACE:
        return f"The disk is full: {name} could not be written. Free some space and try again."
    if error.errno in _NO_PERMISSION:
        return (
            f"No permission ({error.strerror}): {name}. Use a copy of this folder that belongs to you, "
            "or ask who owns it to let you write there."
        )
    return f"{error.strerror or error}: {name}."
