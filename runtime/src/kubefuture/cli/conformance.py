"""`conformance`: check on a plan, as on the cluster of the project, that everything behaves as it should."""

from __future__ import annotations

import argparse

from ..project.folder import Project

IN_VENV = True
ANYWHERE = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    parser.add_argument(
        "--plan", help="sequential, local, local:4, cluster, dask or dask:4; by default as for a script"
    )
    parser.add_argument("--connection", help="for cluster: its connection file, if not the project's")
    parser.add_argument("--address", help="for dask: the address of its scheduler, as tcp://host:8786")
    parser.add_argument("subjects", nargs="*", metavar="SUBJECT", help="check only these")


def run(project: Project, options: argparse.Namespace) -> int:
    """Prints a line a subject, and what does not hold.

    Returns:
        0 if everything holds, 1 if something does not.
    """
    from ..api.plan import plan
    from ..conformance.claim import SUBJECTS
    from ..conformance.run import check, target
    from ..errors import PlanError

    unknown = [subject for subject in options.subjects if subject not in SUBJECTS]
    if unknown:
        raise PlanError(f"There is no subject {unknown[0]!r}; there are {', '.join(SUBJECTS)}.")
    if options.plan or options.address or options.connection:
        kind, _, number = (options.plan or ("dask" if options.address else "cluster")).partition(":")
        if number and not number.isdigit():
            raise PlanError(f"--plan {options.plan}: the number of workers is a whole number, as in local:4.")
        plan(
            kind,
            workers=int(number) if number else None,
            connection=options.connection,
            address=options.address,
        )
    here = target()
    print(f"Checking plan {here.kind!r} with {here.workers} worker{'s' if here.workers != 1 else ''}:")
    return 1 if check(options.subjects or SUBJECTS) else 0
