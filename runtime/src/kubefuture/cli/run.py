"""`run`: run a script in the foreground, in the project's environment, with its workers."""

from __future__ import annotations

import argparse

from ..project.folder import Project
from ..project.launch import SCRIPT, become, checked_run, refuse_bad_script, refuse_if_down


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    parser.add_argument(
        "--as",
        dest="name",
        default="",
        metavar="NAME",
        help="the run's name: each map is kept under it, and goes on where it was when the run is started again",
    )
    parser.add_argument("script", help="the script, such as analysis/means.py")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="what the script is told")


def run(project: Project, options: argparse.Namespace) -> int:
    """Becomes the script."""
    script = refuse_bad_script(project, options.script)
    refuse_if_down(project)
    become(project, [str(SCRIPT), str(script), *options.arguments], up=True, run=checked_run(options.name))
