"""`environment`: make .venv what values.yaml and requirements.lock say; the lock is compiled if needed."""

from __future__ import annotations

import argparse

from ..keeper.places import Places
from ..keeper.stop import end_keeper
from ..project import environment, lock, values
from ..project.folder import Project
from ..project.mutex import project_lock


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options, of which there are none."""


def run(project: Project, options: argparse.Namespace) -> int:
    """Makes the environment."""
    wanted = values.load(project)
    with project_lock(project, "make up"):
        if not lock.is_current(project, lock.inputs(project, wanted)):
            lock.compile_lock(project, wanted)
            print(
                "requirements.lock was compiled anew, as the packages in values.yaml or the runtime changed."
            )
        stopped = []

        def end_what_runs_on_it() -> None:
            if end_keeper(Places.of(project)):
                stopped.append("the workers")

        why = environment.refresh(project, before_swap=end_what_runs_on_it)
    if why:
        print(f"The Python environment .venv was made: {why}.")
    if stopped:
        print("The workers were ended, since they ran on the old environment; `make up` starts them again.")
    return 0
