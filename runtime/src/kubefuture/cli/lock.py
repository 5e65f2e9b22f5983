"""`lock`: compile requirements.lock from values.yaml and the runtime's needs."""

from __future__ import annotations

import argparse

from ..project import lock, values
from ..project.folder import Project
from ..project.mutex import project_lock


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions that go together")
    parser.add_argument(
        "--if-needed", action="store_true", help="only when what it is compiled from has changed"
    )


def run(project: Project, options: argparse.Namespace) -> int:
    """Compiles the lock."""
    wanted = values.load(project)
    with project_lock(project, "make lock"):
        if options.if_needed and lock.is_current(project, lock.inputs(project, wanted)):
            return 0
        lock.compile_lock(project, wanted, upgrade=options.upgrade)
    print("requirements.lock is compiled anew. Install it, here and on the workers, with: make up")
    return 0
