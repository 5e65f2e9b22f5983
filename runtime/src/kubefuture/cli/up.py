"""`up`: start what values.yaml describes, through the playbooks."""

from __future__ import annotations

import argparse
import sys

from ..keeper.places import Places
from ..keeper.proof import look
from ..project import record, values
from ..project.errors import ProjectError
from ..project.folder import Project
from ..project.mutex import project_lock
from ..project.playbook import play


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options, of which there are none."""


def run(project: Project, options: argparse.Namespace) -> int:
    """Starts everything, or says why not."""
    wanted = values.load(project)
    with project_lock(project, "make up"):
        earlier = record.read_all(project)
        for other in earlier:
            if other.provider != wanted.provider:
                raise ProjectError(
                    f"{other.provider} is up (since {other.since}), and values.yaml asks for "
                    f"{wanted.provider}: first `make down`, then `make up`."
                )
        code = play(
            project,
            "up",
            {
                "provider": wanted.provider,
                "tools_python": sys.executable,
                "project_python": str(project.venv_python),
            },
        )
        if code not in (0, 130) and not earlier and _nothing_there(project):
            record.remove(project, wanted.provider)
    if code == 130:
        print("Interrupted. What was begun may be there still; `make down` ends it.", file=sys.stderr)
    return code if code in (0, 130) else 1


def _nothing_there(project: Project) -> bool:
    proof = look(Places.of(project))
    return not proof.left and not proof.unchecked
