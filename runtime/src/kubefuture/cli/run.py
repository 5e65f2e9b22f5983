"""`run`: run a script in the foreground, in the project's environment, with its workers."""

from __future__ import annotations

import argparse

from ..project.folder import Project
from ..project.launch import SCRIPT, become, refuse_bad_script, refuse_if_down


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    parser.add_argument("script", help="the script, such as analysis/means.py")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="what the script is told")


def run(project: Project, options: argparse.Namespace) -> int:
    """Becomes the script."""
    script = refuse_bad_script(project, options.script)
    refuse_if_down(project)
    become(project, [str(SCRIPT), str(script), *options.arguments], up=True)
