"""`environment`: make .venv what values.yaml and requirements.lock say; the lock is compiled if needed."""

from __future__ import annotations

import argparse

from ..keeper.places import Places
from ..keeper.stop import end_keeper
from ..project import environment, foreseen, lock, uv, values
from ..project.changes import Change, report, report_all
from ..project.folder import Project
from ..project.mutex import project_lock


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    parser.add_argument(
        "--check", action="store_true", help="only say what would be made, and change nothing"
    )


def run(project: Project, options: argparse.Namespace) -> int:
    """Makes the environment."""
    wanted = values.load(project, keep=not options.check)
    if options.check:
        report_all(foreseen.changes(project, wanted))
        return 0
    with project_lock(project, "make up"):
        before = lock.content(project)
        anew = not lock.is_current(project, lock.inputs(project, wanted))
        if anew:
            lock.compile_lock(project, wanted)
        stopped = []

        def end_what_runs_on_it() -> None:
            if end_keeper(Places.of(project)):
                stopped.append("the workers")

        try:
            why = environment.refresh(project, before_swap=end_what_runs_on_it)
        except uv.UvError as error:
            if not anew:
                raise
            # What it chose would be kept by every lock that is compiled after it.
            lock.put_back(project, before)
            raise lock.cannot_be_installed(wanted, error) from None
    if anew:
        reason = "as the packages in values.yaml or the runtime changed"
        report(Change("requirements.lock", f"requirements.lock was compiled anew, {reason}."))
    if why:
        report(Change(".venv", f"The Python environment .venv was made: {why}."))
    if stopped:
        ended = "The workers were ended, since they ran on the old environment; `make up` starts them again."
        report(Change("the workers", ended))
    return 0
