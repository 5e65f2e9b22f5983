"""path: the project's files, here and where elements run."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

from ..core.context import current_element
from ..core.current_folder import current_folder, own_folders
from ..errors import MissingFileError, PlanError
from .folding import fold

_MARK = ".copier-answers.yml"


class ProjectPath(type(Path())):  # type: ignore[misc]  # the class is another one on each system
    """The path of a file or folder of the project; where it is unpacked, it is the path there."""

    _relative = ""

    def __reduce__(self) -> tuple[Any, ...]:
        if not self._relative:  # what Python made from one: its parent, for example
            return Path, (os.fspath(self),)
        return _arrived, (self._relative, os.fspath(self))


@fold
def path(relative: str | os.PathLike[str]) -> Path:
    """The path of a file or folder of the project, in the program and in elements.

    Elements may call it, be given what it returns, or use it from around them: it is always the path where they run,
    also if the project is in another folder there. The file must be there; nothing is copied.

    Args:
        relative: Below the project's folder or, outside of a project, below the present one.

    Returns:
        An absolute path.

    Raises:
        MissingFileError: It is not there.
        PlanError: It leads out of the project.
    """
    wanted = os.path.normpath(os.fspath(relative))
    if os.path.isabs(wanted) or wanted.split(os.sep, 1)[0] == os.pardir:
        raise PlanError(
            f"kf.path({os.fspath(relative)!r}) leads out of the project. Put the file, or a link to it, below the "
            "project's folder, and name it relative to that."
        )
    place = _place(wanted)
    if not os.path.exists(place):
        raise MissingFileError(f"There is no {wanted} in {_folder()} on {socket.gethostname()}. {_advice()}")
    return _known(wanted, place)


def _arrived(relative: str, origin: str) -> Path:
    """The path on this side of one that the program had at `origin`."""
    if os.path.exists(origin):
        return _known(relative, origin)
    if os.path.exists(place := _place(relative)):
        return _known(relative, place)
    raise MissingFileError(
        f"The program passed {origin}, and there is neither that nor {relative} in {_folder()} on "
        f"{socket.gethostname()}. {_advice()}"
    )


def _known(relative: str, place: str) -> ProjectPath:
    found = ProjectPath(place)
    found._relative = relative
    return found


def _place(relative: str) -> str:
    return os.path.join(_folder(), relative)


def _folder() -> str:
    here = current_folder()
    if not here:
        raise MissingFileError(
            "The present folder was removed, so there are no files below it. Go to another one."
        )
    return next((str(place) for place in own_folders() if (place / _MARK).exists()), os.path.realpath(here))


def _advice() -> str:
    if current_element() is None:
        return "Is its name right, and was the program started in the project's folder?"
    return (
        "If the program has it, the workers do not see its folder: put the project on a file system that they "
        "share, or pass what is in the file to the function."
    )
