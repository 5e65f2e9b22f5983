"""`update`: bring in what is new in the template; the user's own files stay."""

from __future__ import annotations

import argparse
import subprocess
import sys

from ..project.errors import ProjectError
from ..project.folder import Project
from ..project.mutex import project_lock
from ..project.update import update


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    parser.add_argument(
        "--to", default="", metavar="REF", help="a version of the template other than its newest"
    )


def run(project: Project, options: argparse.Namespace) -> int:
    """Updates the project, lists conflicts, and compiles the lock again if that is needed."""
    with project_lock(project, "make update"):
        result = update(project, options.to)
        if not result.changed:
            print("Nothing is new in the template.")
            return 0
        print(f"Changed: {', '.join(result.changed)}")
        if result.conflicts:
            listed = "\n".join(f"  {name}" for name in result.conflicts)
            raise ProjectError(
                "The template and you changed the same lines of:\n"
                f"{listed}\n"
                "In each, choose between the marks <<<<<<< and >>>>>>>, and delete the marks. Then:\n"
                "  git add . && git commit -m 'Update from the template' && make up\n"
                "Or undo the whole update: git reset --hard && git clean -fd"
            )
        # Another process, since the runtime's own source may just have changed.
        code = subprocess.run(
            [sys.executable, "-I", "-m", "kubefuture", "lock", "--if-needed"], check=False
        ).returncode
        if code:
            raise ProjectError(
                "The update is merged, but requirements.lock could not be compiled, as said above."
            )
    print("Look at it with `git diff`, commit it, and let the workers use it with `make up`.")
    return 0
