"""`record`: write down what is about to be started, before it is."""

from __future__ import annotations

import argparse

from ..core.runtime_dir import socket_folder
from ..project import record
from ..project.changes import Change, report
from ..project.folder import Project


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    parser.add_argument("provider", help="where it will run")
    parser.add_argument("--check", action="store_true", help="only say whether something would be written")


def run(project: Project, options: argparse.Namespace) -> int:
    """Writes the record."""
    sockets = socket_folder(project.folder)
    if record.wanted(project, options.provider, sockets) in record.read_all(project):
        return 0
    where = f"in .kubefuture/deployed/{options.provider}.yaml, from which `make down` works"
    if options.check:
        report(Change("the record", f"would record what is started {where}"))
        return 0
    record.begin(project, options.provider, sockets)
    report(Change("the record", f"What is started is recorded {where}."))
    return 0
