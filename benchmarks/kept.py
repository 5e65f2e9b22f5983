"""Scheduler and worker under a keeper, as `make up` starts them."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kubefuture.keeper.places import Places
from kubefuture.keeper.programs import Plan, Program
from kubefuture.keeper.start import start
from kubefuture.keeper.stop import stop
from kubefuture.project.folder import Project

from .contenders import WORKERS


@dataclass(frozen=True)
class Kept:
    """A cluster that is kept.

    Attributes:
        connection: The connection file.
        journal: The folder of its journal.
    """

    connection: str
    journal: Path


@contextmanager
def kept(*, journaled: bool = False) -> Iterator[Kept]:
    """Such a cluster, gone afterwards.

    Args:
        journaled: It has a journal, so that maps can be named.
    """
    with tempfile.TemporaryDirectory(prefix="kubefuture-bench-") as folder:
        project = Project(Path(os.path.realpath(folder)))
        places = Places.of(project)
        journal = ".kubefuture/local/journal"
        common = ("--connection", ".kubefuture/connection.json", "--slots-file", ".kubefuture/local/slots")
        more = {"scheduler": ("--journal", journal) if journaled else (), "worker": ()}
        programs = tuple(
            Program(role, (sys.executable, "-P", "-m", f"kubefuture.{role}", *common, *more[role]), {})
            for role in ("scheduler", "worker")
        )
        plan = Plan(str(project.folder), str(places.sockets), programs, digest="bench")
        start(places, plan, WORKERS, rescale=lambda _connection, _slots: None)
        try:
            yield Kept(str(project.connection_file), project.folder / journal)
        finally:
            stop(places, patience=5.0)
