"""What pods run, file by file: it goes into an image, or into an archive that pods unpack."""

from __future__ import annotations

from collections.abc import Iterator

from ..project.errors import ProjectError, explain
from ..project.folder import Project
from ..project.pinned import pinned

INSTALLER = "install.py"
"""What makes the environment of the rest."""


def contents(project: Project) -> Iterator[tuple[str, bytes]]:
    """Name and content of each file, in an order that never changes; requirements.lock is current.

    Raises:
        ProjectError: Something is missing.
    """
    source = project.runtime / "src"
    try:
        yield "requirements.lock", project.lock_file.read_bytes()
        uv = pinned(project.tools_lock.read_text(encoding="utf-8"), "uv")
        if not uv:
            raise ProjectError("tools.lock does not name uv: get it back with `git checkout -- tools.lock`.")
        yield "uv.lock", uv.encode()
        yield INSTALLER, (source / "kubefuture" / "pod" / INSTALLER).read_bytes()
        for path in sorted(source.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc":
                yield f"runtime/src/{path.relative_to(source).as_posix()}", path.read_bytes()
    except OSError as error:
        raise ProjectError(
            f"{explain(error)} It came with the project: get it back with `git checkout`."
        ) from None
