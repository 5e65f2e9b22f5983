"""`keeper`: the processes on this machine. `start` runs in the project's environment, the rest anywhere."""

from __future__ import annotations

import argparse

from ..keeper.places import Places
from ..project.changes import Change, report, report_all
from ..project.folder import Project

_CHECK = "only say what would be done, and change nothing"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="start|stop|look")
    start = actions.add_parser("start", help="start keeper, scheduler and worker, or keep those that run")
    start.add_argument("--check", action="store_true", help=_CHECK)
    stop = actions.add_parser("stop", help="end them")
    stop.add_argument("--check", action="store_true", help=_CHECK)
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
        return _start_check(project) if options.check else _start(project)
    if options.action == "stop":
        return _stop(project, options.check)
    return _look(project, options.report)


def _stop(project: Project, check: bool) -> int:
    from ..keeper import foreseen
    from ..keeper.proof import look
    from ..keeper.stop import stop

    places = _recorded(project)
    if check:
        report_all(foreseen.stop(places))
        return 0
    was_there = bool(look(places).left)
    stop(places)
    if was_there:
        report(Change("the workers", "The workers on this machine are ended."))
    return 0


def _start_check(project: Project) -> int:
    """Runs in the tools' environment, since the project's own may not be there yet."""
    from ..keeper import foreseen
    from ..keeper.programs import plan_for
    from ..project import values
    from ..project.foreseen import is_pending

    wanted = values.load(project, keep=False)
    places = Places.of(project)
    plan = plan_for(project, wanted, places.sockets, str(project.venv_python))
    report_all(foreseen.start(places, plan, wanted.count, anew=is_pending(project, wanted)))
    return 0


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
        words = ".kubefuture/connection.json was damaged, and is written anew. What runs goes on."
        report(Change("the connection file", words))
    if started.was_up and not started.scaled:
        print(f"{slots} up already on this machine ({project.name}).")
    else:
        report(Change("the workers", f"{slots} up on this machine ({project.name})."))
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
