"""`down`: end what was recorded, through the playbooks, and prove that nothing is left."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from ..keeper.places import Places
from ..keeper.programs import BLOBS, journal_of
from ..keeper.proof import look
from ..project import deployed, record
from ..project.errors import ProjectError
from ..project.folder import Project
from ..project.mutex import project_lock
from ..project.playbook import play
from ..project.proof import Proof
from .down_check import check, refuse_half

LEFT = 3
UNKNOWN = 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    parser.add_argument(
        "--project", default="", metavar="NAME", help="a project that another checkout has put on a cluster"
    )
    parser.add_argument("--provider", default="", help="where that one is")
    parser.add_argument(
        "--check", action="store_true", help="only say what would be deleted, and delete nothing"
    )
    parser.epilog = (
        "exit codes: 0 nothing is left, 3 something is left (it is named), 4 that could not be told"
    )


def run(project: Project, options: argparse.Namespace) -> int:
    """Ends everything and says what was looked at."""
    try:
        with project_lock(project, "make down", looking=options.check):
            if options.check:
                return check(project, options.project, options.provider)
            if options.project or options.provider:
                _find(project, options.project, options.provider)
            return _down(project)
    except ProjectError as error:
        # Whatever stops us, nothing is proved.
        error.exit_code = UNKNOWN
        raise


def _down(project: Project) -> int:
    providers = [one.provider for one in deployed.read_all(project)]
    if not providers:
        proof = look(Places.of(project))
        if not proof.left:
            return _verdict(proof, "Nothing was up.")
        # The record is gone, the processes are not: they carry the project's name.
        providers = [record.begin(project, record.LOCAL, Places.of(project).sockets).provider]
    for one in record.read_all(project):
        record.refuse_elsewhere(project, one)
    worst = 0
    for provider in providers:
        proof = _end(project, provider)
        if provider == record.LOCAL and not proof.left and not proof.unchecked:
            _delete_journal(project, proof)
        code = _verdict(proof, "Everything is down.")
        if code == 0:
            deployed.remove(project, provider)
        worst = max(worst, code)
    return worst


def _find(project: Project, name: str, provider: str) -> None:
    """Records what another checkout has put on a cluster, so that it can be ended from here."""
    from ..kube.providers import provider_of

    refuse_half(name, provider)
    deployed.refuse_other(project, provider)  # which is this folder's own, and would be ended with it
    provider_of(provider).adopt(project, name)


def _delete_journal(project: Project, proof: Proof) -> None:
    """Named work stays until `make down` (R10)."""
    journal, blobs = journal_of(project.folder), project.folder / BLOBS
    shutil.rmtree(blobs, ignore_errors=True)
    if blobs.exists():
        proof.left.append(f"what functions captured, {blobs}, which cannot be deleted")
    if journal.is_dir():
        shutil.rmtree(journal, ignore_errors=True)
        if journal.exists():
            proof.left.append(f"the journal of named work, {journal}, which cannot be deleted")
        else:
            print("  deleted the journal with the results of named maps")


def _end(project: Project, provider: str) -> Proof:
    with tempfile.TemporaryDirectory(prefix="kubefuture-") as folder:
        report = Path(folder, "proof.json")
        told = {"provider": provider, "tools_python": sys.executable, "report": str(report)}
        played = play(project, "down", told)
        try:
            return Proof.from_json(report.read_text(encoding="utf-8"))
        except (OSError, ValueError, TypeError):
            why = (
                "the playbook was interrupted"
                if played.interrupted
                else "the playbook failed before it looked"
            )
            return Proof(unchecked=[f"{why}. {played.broken}".rstrip(". ")])


def _verdict(proof: Proof, words: str) -> int:
    for line in proof.looked:
        print(f"  looked at {line}")
    for line in proof.left:
        print(f"  left: {line}", file=sys.stderr)
    for line in proof.unchecked:
        print(f"  not looked at: {line}", file=sys.stderr)
    if proof.left:
        hint = "End what is listed above by hand, then run `make down` again."
        print(f"error: Something is left (code {LEFT}). {hint}", file=sys.stderr)
        return LEFT
    if proof.unchecked:
        print(
            f"error: It could not be told whether something is left (code {UNKNOWN}). "
            "Mend what is listed above, then run `make down` again.",
            file=sys.stderr,
        )
        return UNKNOWN
    print(f"{words} Nothing is left.")
    return 0
