"""`record`: write down what is about to be started, before it is."""

from __future__ import annotations

import argparse

from ..core.runtime_dir import socket_folder
from ..project import record
from ..project.folder import Project


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    parser.add_argument("provider", help="where it will run")


def run(project: Project, options: argparse.Namespace) -> int:
    """Writes the record."""
    record.begin(project, options.provider, socket_folder(project.folder))
    return 0
