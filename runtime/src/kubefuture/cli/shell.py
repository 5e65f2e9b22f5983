"""`shell`: open Python in the project's environment, with its workers if they are up."""

from __future__ import annotations

import argparse

from ..errors import NotUpError
from ..project.folder import Project
from ..project.launch import become, refuse_if_down

_GREETING = "import kubefuture as kf; print('`kf` is kubefuture:', {words!r})"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options, of which there are none."""


def run(project: Project, options: argparse.Namespace) -> int:
    """Becomes an interactive Python."""
    try:
        refuse_if_down(project)
        up = True
    except NotUpError:
        up = False
    words = (
        "its calls go to the workers."
        if up
        else "nothing is up (make up), so its calls run here, one by one."
    )
    become(project, ["-i", "-c", _GREETING.format(words=words)], up=up)
