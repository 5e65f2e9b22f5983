"""`cluster`: the steps of `make up` and `make down` on a cluster, each twice without harm (called by the playbooks)."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable

from ..core.connection import DASK, Connection
from ..kube import (
    difference,
    foreseen,
    image,
    namespace,
    owner,
    record,
    release,
    rollout,
    scaling,
    secret,
    source,
)
from ..kube.commands import find
from ..kube.place import place_of_connection
from ..kube.providers import provider_of
from ..kube.record import ClusterRecord
from ..project import values
from ..project.changes import Change, report, report_all, tell
from ..project.errors import ProjectError
from ..project.folder import Project
from ..project.progress import Step
from ..project.values import Values


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    parser.add_argument("step", choices=list(_STEPS), help="which one")
    parser.add_argument("--provider", default="", help="for delete and look: whose record counts")
    parser.add_argument(
        "--check", action="store_true", help="only say what would be done, and change nothing"
    )
    parser.add_argument(
        "--seconds", type=float, metavar="N", help="for install, connect and delete: how long to wait"
    )
    parser.add_argument("--report", metavar="FILE", help="for look: write what was found to a file, as JSON")


def run(project: Project, options: argparse.Namespace) -> int:
    """Does one step."""
    if not options.check:
        _STEPS[options.step](project, options)
    elif options.step in _FORESEEN:
        report_all(_FORESEEN[options.step](project, values.load(project, keep=False)))
    elif options.step == "delete":
        provider = provider_of(options.provider)
        report_all(provider.would_end(project, _recorded(project, options.provider)))
    else:
        _LOOKS[options.step](project, options)
    return 0


def _check(project: Project, options: argparse.Namespace) -> None:
    wanted = values.load(project, keep=not options.check)
    for finding in provider_of(wanted.provider).check(project, wanted):
        if finding.state == "stop":
            raise ProjectError(finding.words)


def _create(project: Project, options: argparse.Namespace) -> None:
    wanted = values.load(project)
    provider = provider_of(wanted.provider)
    place = provider.place(project, wanted)
    before = record.earlier(project, place)
    owner.refuse_other_cluster(before, place)
    one = provider.make(project, wanted, record.begin(project, place, wanted.engine), tell)
    there = namespace.check(place, one.uid, one.mark)
    if there is None:
        there = namespace.make(place, one.mark)
        report(Change("the namespace", f"The namespace {place.namespace} is made."))
    else:
        owner.refuse_others(place, one.mark)
    if record.with_namespace(project, one, there.uid, there.mark == one.mark) != before:
        where = f".kubefuture/deployed/{place.provider}.yaml"
        report(Change("the record", f"What is made is recorded in {where}, from which `make down` works."))


def _image(project: Project, options: argparse.Namespace) -> None:
    wanted = values.load(project)
    if wanted.at_start:
        return
    provider = provider_of(wanted.provider)
    made_of = image.recipe(project, wanted, provider.place(project, wanted))
    one = _recorded(project, wanted.provider)
    if made_of.name not in one.images and not provider.is_shared(made_of.name):
        one = record.with_image(project, one, made_of.name)
    if done := provider.deliver(project, one, made_of):
        report(Change("the image", done))


def _install(project: Project, options: argparse.Namespace) -> None:
    wanted = values.load(project)
    place = provider_of(wanted.provider).place(project, wanted)
    one = _recorded(project, place.provider)
    key, made = secret.ensure(place, wanted.engine, one.mark)
    if made:
        report(Change("token and certificate", "Token and certificate are made."))
    if wanted.at_start:
        runs, architecture = image.base_of(wanted), ""
        at_start, made = source.ensure(project, place, wanted.env)
        if made:
            report(Change("the packages", "What pods install their packages from is in the namespace."))
    else:
        made_of = image.recipe(project, wanted, place)
        runs, architecture, at_start = made_of.name, made_of.architecture, None
    told = release.chart_values(
        project, wanted, place, runs, key, architecture=architecture, at_start=at_start
    )
    difference.refuse(release.chart_of(project), place, told)
    with Step("Installing the chart") as step:
        changed = release.install(project, place, told, step)
    if wanted.engine == DASK and scaling.set_replicas(place, wanted.count) and not changed:
        words = f"The cluster now has {wanted.count} workers instead of what `make scale` had set."
        report(Change("the number of workers", words))
    workers = None if changed else find(place, "deployment", place.workers)
    if workers is not None and (fewer := scaling.without_room(workers, wanted.count)) is not None:
        scaling.set_replicas(place, fewer)
        words = "Workers that `make scale` had asked for, and for which there was no room, are taken back."
        report(Change("the number of workers", words))
    if changed:
        report(Change("the chart", "The chart is installed."))
    if not secret.is_saved(project, place, wanted.engine, key):
        secret.connection(project, place, wanted.engine, key).save(project.connection_file)
        report(Change("the connection file", "The connection file is written."))
    with Step("Waiting for the pods") as step:
        progress = rollout.wait(place, step, seconds=options.seconds or rollout.READY_SECONDS)
    source.forget_unused(place)
    leaving = f"; {progress.leaving} old ones finish what they run" if progress.leaving else ""
    print(f"{_workers(progress.ready)} ready{leaving}.")


def _connect(project: Project, options: argparse.Namespace) -> None:
    """Runs in the project's environment: it speaks the scheduler's language."""
    wanted = values.load(project)
    connection = Connection.load(project.connection_file)
    if connection.engine == DASK:
        from ..client.dask_control import fetch_dask_status

        fetch_dask_status(connection)
        return
    from ..client.control import fetch_status, order_scale

    status = fetch_status(connection)
    if status.wanted_slots != wanted.count:
        words = f"The scheduler now asks for {wanted.count} workers instead of {status.wanted_slots}."
        order_scale(connection, wanted.count)
        report(Change("the number of workers", words))
        if (place := place_of_connection(connection)) is not None:
            with Step("Waiting for the pods") as step:
                rollout.wait(
                    place, step, count=wanted.count, seconds=options.seconds or rollout.READY_SECONDS
                )


def _delete(project: Project, options: argparse.Namespace) -> None:
    recorded = _recorded(project, options.provider)
    provider_of(options.provider).end(project, recorded, tell, options.seconds)


def _look(project: Project, options: argparse.Namespace) -> None:
    proof = provider_of(options.provider).look(project, _recorded(project, options.provider))
    if options.report:
        with open(options.report, "w", encoding="utf-8") as file:
            file.write(proof.to_json())
    else:
        print(proof.to_json())


def _recorded(project: Project, provider: str) -> ClusterRecord:
    one = record.read(project, provider)
    if one is None:
        raise ProjectError(f"Nothing is recorded for {provider}. Start with: make up")
    return one


def _workers(count: int) -> str:
    return "1 worker is" if count == 1 else f"{count} workers are"


_FORESEEN: dict[str, Callable[[Project, Values], Iterable[Change | str]]] = {
    "create": foreseen.create,
    "image": foreseen.build,
    "install": foreseen.install,
    "connect": foreseen.connect,
}
"""What steps that change something would change."""

_LOOKS: dict[str, Callable[[Project, argparse.Namespace], None]] = {"check": _check, "look": _look}
"""Steps that change nothing anyway."""

_STEPS: dict[str, Callable[[Project, argparse.Namespace], None]] = {
    "check": _check,
    "create": _create,
    "image": _image,
    "install": _install,
    "connect": _connect,
    "delete": _delete,
    "look": _look,
}
