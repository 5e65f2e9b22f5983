"""What `make down` would delete, from what was recorded. Nothing is deleted, and nothing is written."""

from __future__ import annotations

import sys

from ..keeper.places import Places
from ..keeper.programs import BLOBS, journal_of
from ..keeper.proof import look
from ..project import changes, deployed, record
from ..project.changes import Change
from ..project.errors import ProjectError
from ..project.folder import Project
from ..project.playbook import play


def check(project: Project, name: str, provider: str) -> int:
    """Says what would be deleted.

    Args:
        project: The project.
        name: Of a project that another checkout has put on a cluster; empty for this one.
        provider: Where that one is.

    Returns:
        The exit code.

    Raises:
        ProjectError: It cannot be told.
    """
    print("This only looks: nothing is deleted.")
    found = _elsewhere(project, name, provider) if name or provider else _here(project)
    if not found:
        print("Nothing is up, so `make down` would delete nothing.")
    else:
        print(f"Nothing was deleted. `make down` would delete: {', '.join(dict.fromkeys(found))}.")
    return 0


def refuse_half(name: str, provider: str) -> None:
    """Sees that a project of another checkout is named in full.

    Raises:
        ProjectError: It is not.
    """
    if not name or not provider:
        raise ProjectError("Both are needed: make down PROJECT=name PROVIDER=existing")
    if provider == record.LOCAL:
        raise ProjectError("What runs on this machine is ended in its own folder: make down")


def _here(project: Project) -> list[str]:
    providers = [one.provider for one in deployed.read_all(project)]
    if not providers and look(Places.of(project)).left:
        providers = [record.LOCAL]
    for one in record.read_all(project):
        record.refuse_elsewhere(project, one)
    found: list[str] = []
    for provider in providers:
        # No file is asked for: what is looked for afterwards would find all that is still there.
        told = {"provider": provider, "tools_python": sys.executable, "report": ""}
        played = play(project, "down", told, check=True)
        if played.code:
            raise ProjectError(
                played.broken
                or f"What `make down` would delete on {provider} could not be told in full (code 4)."
            )
        found += played.changes
        if provider == record.LOCAL:
            kept = journal_of(project.folder).is_dir() or (project.folder / BLOBS).is_dir()
            journal = Change("the journal", "  would delete the journal with the results of named maps")
            changes.report_all([journal] if kept else [])
            found += [journal.what] if kept else []
    return found


def _elsewhere(project: Project, name: str, provider: str) -> list[str]:
    """Without the playbooks, which act on records: nothing is recorded for who only looks."""
    from ..kube.providers import provider_of

    refuse_half(name, provider)
    cluster = provider_of(provider)
    found = list(cluster.would_end(project, cluster.find(project, name)))
    for one in found:
        print(f"  {one}")
    return [one.what for one in found if isinstance(one, Change)]
