"""`up`: start what values.yaml describes, through the playbooks."""

from __future__ import annotations

import argparse
import sys

from ..keeper.places import Places
from ..keeper.proof import look
from ..project import deployed, values
from ..project.errors import ProjectError
from ..project.folder import Project
from ..project.mutex import project_lock
from ..project.playbook import Played, play

_NEXT = "Next: make run. Then: make status, make logs, make scale N=3. When you are done: make down."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    parser.add_argument(
        "--check", action="store_true", help="only say what would be done, and change nothing"
    )


def run(project: Project, options: argparse.Namespace) -> int:
    """Starts everything, or says why not."""
    return start(project, check=options.check)


def start(project: Project, *, check: bool = False) -> int:
    """Starts everything, or says why not.

    Args:
        project: The project.
        check: Only say what would be done.

    Returns:
        The exit code.
    """
    wanted = values.load(project, keep=not check)
    with project_lock(project, "make up", looking=check):
        earlier = deployed.read_all(project)
        for other in earlier:
            if other.provider != wanted.provider:
                raise ProjectError(
                    f"{other.provider} is up (since {other.since}), and values.yaml asks for "
                    f"{wanted.provider}: first `make down`, then `make up`."
                )
        if check:
            print("This only looks: nothing is changed.")
        played = play(
            project,
            "up",
            {
                "provider": wanted.provider,
                "tools_python": sys.executable,
                "project_python": str(project.venv_python),
            },
            check=check,
        )
        failed = played.code != 0 and not played.interrupted
        if failed and not check and not earlier and _nothing_there(project, wanted.provider):
            deployed.remove(project, wanted.provider)
        elif failed and not check and played.changes:
            print(f"Changed until then: {', '.join(played.changes)}.", file=sys.stderr)
    if played.broken:
        raise ProjectError(played.broken)
    if played.interrupted:
        print(_interrupted(played, check), file=sys.stderr)
    elif not failed:
        print(_checked(played) if check else _done(played))
    return 1 if failed else played.code


def _done(played: Played) -> str:
    changed = f"Changed: {', '.join(played.changes)}." if played.changes else "Nothing had to change."
    return f"{changed}\n{_NEXT}"


def _checked(played: Played) -> str:
    if not played.changes:
        return "Nothing was changed, and `make up` would change nothing."
    return f"Nothing was changed. `make up` would change: {', '.join(played.changes)}."


def _interrupted(played: Played, check: bool) -> str:
    if check:
        return "Interrupted. Nothing was changed."
    changed = f" Changed until then: {', '.join(played.changes)}." if played.changes else ""
    return f"Interrupted.{changed} What was begun may be there still: `make up` goes on with it, `make down` ends it."


def _nothing_there(project: Project, provider: str) -> bool:
    """Whether nothing was made, as far as that can be told, so that there is nothing to take down."""
    if provider == "local":
        proof = look(Places.of(project))
        return not proof.left and not proof.unchecked
    from ..kube import record
    from ..kube.providers import provider_of

    one = record.read(project, provider)
    return one is None or provider_of(provider).nothing_made(one)
