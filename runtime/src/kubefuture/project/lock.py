"""requirements.lock: the exact packages for laptop, scheduler and workers, from one source.

    runtime/pyproject.toml, dependencies ──┐                    (for `engine: dask` also what its extra dask needs)
                                           ├─ uv pip compile ─> requirements.lock
    values.yaml, packages.pip ─────────────┘                    (its header: a digest of both)

Universal (one file for every system and Python from the runtime's floor on), with hashes, without
index addresses. It is compiled again when the digest does not fit, and then keeps the versions it had.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

from ..core.connection import DASK
from ..core.files import replace_text
from . import uv
from .errors import ProjectError, explain
from .folder import Project
from .progress import Step
from .values import Values

_HEADER = """\
# The exact packages of your own environment, of the scheduler and of the workers.
# Made by `make lock` from packages.pip in values.yaml and from the runtime's own needs: do not edit.
# inputs: sha256:{digest}
"""
_UNBUILT = re.compile(r"Failed to build `?([A-Za-z0-9][A-Za-z0-9._-]*)==")
_DIGEST = re.compile(r"^# inputs: sha256:([0-9a-f]{64})$", re.MULTILINE)


@dataclass(frozen=True)
class Inputs:
    """What a lock is compiled from.

    Attributes:
        runtime: Requirements of the runtime.
        pip: Requirements of the user's code.
        python: The lowest Python that the lock must serve, as "3.11".
    """

    runtime: tuple[str, ...]
    pip: tuple[str, ...]
    python: str

    @property
    def digest(self) -> str:
        """Says whether two inputs are the same; the order does not matter."""
        lines = [self.python, *sorted({*self.runtime, *self.pip})]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def inputs(project: Project, values: Values) -> Inputs:
    """What the project's lock has to be compiled from now.

    Raises:
        ProjectError: The runtime's pyproject.toml is missing or broken.
    """
    path = project.runtime / "pyproject.toml"
    try:
        described = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
        floor = re.search(r">=\s*(\d+\.\d+)", described["requires-python"])
        runtime = [*described["dependencies"]]
        if values.engine == DASK:
            runtime += described["optional-dependencies"][DASK]
        return Inputs(tuple(runtime), values.pip, floor[1] if floor else "3.11")
    except OSError as error:
        raise ProjectError(
            f"{explain(error)} It came with the project: get it back with `git checkout`."
        ) from None
    except (ValueError, KeyError) as error:
        raise ProjectError(f"{path} cannot be used ({error}): get it back with `git checkout`.") from None


def is_current(project: Project, wanted: Inputs) -> bool:
    """Whether the lock was compiled from these inputs."""
    try:
        recorded = _DIGEST.search(project.lock_file.read_text(encoding="utf-8")[:2000])
    except (OSError, ValueError):
        return False
    return recorded is not None and recorded[1] == wanted.digest


def compile_lock(project: Project, values: Values, *, upgrade: bool = False) -> None:
    """Compiles the lock. The old one stays as it is until the new one is whole.

    Args:
        project: The project.
        values: What it wants.
        upgrade: Take the newest versions instead of those in the lock.

    Raises:
        ProjectError: It cannot be compiled; a package that does not exist is named.
    """
    wanted = inputs(project, values)
    try:
        project.state.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="lock-", dir=project.state) as folder:
            draft = _compile_draft(project, values, wanted, Path(folder), upgrade)
            os.replace(draft, project.lock_file)
    except OSError as error:
        raise ProjectError(explain(error, project.lock_file)) from None


def drafted(project: Project, values: Values) -> str:
    """What the lock would be if it were compiled now. Nothing is written in the project, nor kept anywhere.

    Args:
        project: The project.
        values: What it wants.

    Raises:
        ProjectError: It could not be compiled.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="kubefuture-") as folder:
            wanted = inputs(project, values)
            draft = _compile_draft(project, values, wanted, Path(folder), upgrade=False, traceless=True)
            return draft.read_text(encoding="utf-8")
    except OSError as error:
        raise ProjectError(explain(error)) from None


def _compile_draft(
    project: Project, values: Values, wanted: Inputs, folder: Path, upgrade: bool, traceless: bool = False
) -> Path:
    source, output, draft = folder / "requirements.in", folder / "output.lock", folder / "draft.lock"
    source.write_text("\n".join([*wanted.runtime, *wanted.pip]) + "\n", encoding="utf-8")
    if project.lock_file.is_file() and not upgrade:
        # uv keeps the versions of an output file that is already there.
        output.write_bytes(project.lock_file.read_bytes())
    options = ["--quiet", "--universal", "--generate-hashes", "--no-emit-index-url", "--no-emit-find-links"]
    options += [
        "--no-header",
        "--no-annotate",
        "--python-version",
        wanted.python,
        "--output-file",
        str(output),
    ]
    try:
        with Step("Choosing the versions of the packages") as step:
            doing = "The versions of the packages could not be chosen, so nothing was changed"
            command: list[str | Path] = ["pip", "compile", *options, source]
            uv.run(project, command, doing=doing, step=step, traceless=traceless)
    except uv.UvError as error:
        raise _name_the_line(values, error) from None
    with open(draft, "w", encoding="utf-8") as file:
        file.write(_HEADER.format(digest=wanted.digest) + output.read_text(encoding="utf-8"))
        file.flush()
        os.fsync(file.fileno())
    return draft


def _name_the_line(values: Values, error: uv.UvError) -> ProjectError:
    """Points to values.yaml where a package of the user's own does not exist or cannot be had."""
    for requirement, line in zip(values.pip, values.pip_lines, strict=True):
        name = package_name(requirement)
        if name in {package_name(missing) for missing in error.missing}:
            return ProjectError(
                f"values.yaml, line {line}: packages.pip names {requirement}, which the package registry "
                "does not have; allowed is a name that it has. Check the spelling. The lock and the "
                "environment are unchanged."
            )
    for requirement, line in zip(values.pip, values.pip_lines, strict=True):
        if not error.missing and requirement in error.reason:
            return ProjectError(f"values.yaml, line {line}: packages.pip names {requirement}. {error}")
    return error


def content(project: Project) -> bytes | None:
    """What the lock is; None if there is none."""
    try:
        return project.lock_file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ProjectError(explain(error)) from None


def put_back(project: Project, before: bytes | None) -> None:
    """Makes the lock what it was.

    Args:
        project: The project.
        before: See `content`.

    Raises:
        ProjectError: It cannot be written.
    """
    try:
        if before is None:
            project.lock_file.unlink(missing_ok=True)
        else:
            replace_text(project.lock_file, before.decode("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ProjectError(
            f"requirements.lock could not be put back ({error}); git has it: git checkout."
        ) from None


def cannot_be_installed(values: Values, error: uv.UvError) -> ProjectError:
    """Points to values.yaml where a version that was chosen for it cannot be installed."""
    unchanged, here = "requirements.lock is as it was.", ".".join(map(str, sys.version_info[:2]))
    found = _UNBUILT.search(error.reason)
    if found is not None:
        for requirement, line in zip(values.pip, values.pip_lines, strict=True):
            if package_name(requirement) == package_name(found[1]):
                return ProjectError(
                    f"values.yaml, line {line}: packages.pip names {requirement}, and what was chosen for it cannot be "
                    f"installed. Allow one that is made for Python {here}. {unchanged} {error}"
                )
    return ProjectError(f"{error} {unchanged}")


def package_name(requirement: str) -> str:
    """The normalised name of a requirement such as `Scikit_Learn>=1`."""
    found = re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)", requirement)
    return re.sub(r"[-_.]+", "-", found[1]).lower() if found else ""
