"""`keeper`: the processes on this machine. `start` runs in the project's environment, the rest anywhere."""

from __future__ import annotations

import argparse

from ..keeper.places import Places
from ..project.folder import Project


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="start|stop|look")
    actions.add_parser("start", help="start keeper, scheduler and worker, or keep those that run")
    actions.add_parser("stop", help="end them")
    look = actions.add_parser("look", help="look for what is left of them")
    look.add_argument(
        "--report", metavar="FILE", help="write what was looked at and found to a file, as JSON"
    )
    serve = actions.add_parser("serve", help="be the keeper (called by start)")
    serve.add_argument("--lock-fd", type=int, required=True)
    serve.add_argument("--report-fd", type=int, required=True)


def run(project: Project, options: argparse.Namespace) -> int:
    """Does what is asked for."""
    if options.action == "serve":
        from ..keeper.daemon import serve

        return serve(options.lock_fd, options.report_fd)
    if options.action == "start":
        return _start(project)
    if options.action == "stop":
        from ..keeper.stop import stop

        stop(_recorded(project))
        return 0
    return _look(project, options.report)


def _start(project: Project) -> int:
    from ..client.control import set_scale
    from ..keeper.programs import plan_for
    from ..keeper.start import start
    from ..project import values

    wanted = values.load(project)
    places = Places.of(project)
    plan = plan_for(project, wanted, places.sockets)
    started = start(places, plan, wanted.count, rescale=set_scale)
    slots = "1 worker is" if wanted.count == 1 else f"{wanted.count} workers are"
    if started.replaced:
        print("The ones that ran were ended first: their settings, packages or source have changed.")
    if started.mended:
        print(".kubefuture/connection.json was damaged, and is written anew. What runs goes on.")
    print(f"{slots} {'up already' if started.was_up else 'up'} on this machine ({project.name}).")
    return 0


def _look(project: Project, report: str | None) -> int:
    from ..keeper.proof import look

    proof = look(_recorded(project))
    if report:
        with open(report, "w", encoding="utf-8") as file:
            file.write(proof.to_json())
        return 0
    for heading, lines in (
        ("looked at", proof.looked),
        ("left", proof.left),
        ("not looked at", proof.unchecked),
    ):
        for line in lines:
            print(f"{heading}: {line}")
    return 3 if proof.left else 4 if proof.unchecked else 0


def _recorded(project: Project) -> Places:
    """The keeper's files, wherever the record says that they are."""
    from ..project.record import read_all

    for record in read_all(project):
        if record.provider == "local":
            return Places.of(project, record.folders, record.sockets)
    return Places.of(project)
