"""The connection file of a keeper, and its spare, from which `make up` writes it anew when it is damaged.

make up ── nothing runs ──> write(): a new token, in .kubefuture/connection.json and in the spare
        └─ all is up ─────> mend():  the spare is what scheduler and worker know
"""

from __future__ import annotations

import secrets

from ..core.connection import Connection
from ..errors import LoginError, NotUpError
from ..project.errors import ProjectError, explain
from .places import Places


def write(places: Places) -> None:
    """Makes a new token.

    Raises:
        OSError: It cannot be written.
    """
    connection = Connection(
        project=places.project.name,
        provider="local",
        address=f"unix:{places.socket}",
        token=secrets.token_hex(32),
    )
    for path in (places.spare, places.project.connection_file):
        connection.save(path)


def mend(places: Places, *, check: bool = False) -> bool:
    """Writes the connection file of running programs anew, if it is not what they know.

    Args:
        places: The keeper's files.
        check: Only see whether that is needed.

    Returns:
        Whether that was needed.

    Raises:
        ProjectError: It was needed, and cannot be done.
        LoginError: Others can read it, so only another token would help.
    """
    path = places.project.connection_file
    try:
        found = Connection.load(path)
    except NotUpError:
        found = None
    try:
        known = Connection.load(places.spare)
        if found != known and not check:
            known.save(path)
    except (NotUpError, LoginError):
        if found is not None:
            return False
        name = path.relative_to(places.project.folder)
        raise ProjectError(
            f"The workers are up, but {name} is damaged, and so is its spare: nothing can reach them. "
            "Run `make down`, which ends what they run, and then `make up`."
        ) from None
    except OSError as error:
        raise ProjectError(
            f"The workers are up, but {path} is damaged and cannot be written anew. {explain(error, path)}"
        ) from None
    return found != known
