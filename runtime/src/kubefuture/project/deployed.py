"""What was deployed: a file for each provider, written before anything is made, so that `make down` finds all of it.

`down` acts on these files and never on values.yaml, whatever a user changed since.
"""

from __future__ import annotations

import os
import shlex
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from .errors import ProjectError, explain
from .folder import Project

Kind = TypeVar("Kind")

_HEADER = """\
# What `make up` has started here, written before it was. `make down` ends exactly this, proves that
# nothing is left, and removes the file.
"""


@dataclass(frozen=True)
class Deployed:
    """One deployment.

    Attributes:
        provider: Where it is.
        since: When it was first recorded, in UTC.
        where: The machine or the cluster, for people.
        content: The file's whole content.
    """

    provider: str
    since: str
    where: str
    content: Mapping[str, Any]


def read_all(project: Project) -> list[Deployed]:
    """All deployments, in the order of their providers' names.

    Raises:
        ProjectError: A file cannot be read (exit code 4: it cannot be told what is up).
    """
    import yaml

    found = []
    for path in sorted(project.records.glob("*.yaml")) if project.records.is_dir() else []:
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
            where = content["host"] if content["provider"] == "local" else content["context"]
            found.append(Deployed(str(content["provider"]), str(content["since"]), str(where), content))
        except OSError as error:
            raise ProjectError(explain(error), exit_code=4) from None
        except (yaml.YAMLError, KeyError, TypeError, ValueError):
            raise _damaged(project, path.stem) from None
    return found


def parsed(project: Project, one: Deployed, build: Callable[[Mapping[str, Any]], Kind]) -> Kind:
    """One deployment's file as what it is.

    Args:
        project: The project.
        one: The deployment.
        build: Makes it from the file's content; a KeyError, TypeError or ValueError means that it is damaged.

    Raises:
        ProjectError: It is damaged.
    """
    try:
        return build(one.content)
    except (KeyError, TypeError, ValueError):
        raise _damaged(project, one.provider) from None


def refuse_other(project: Project, provider: str) -> None:
    """Sees that nothing of another provider is up.

    Raises:
        ProjectError: Something is.
    """
    for one in read_all(project):
        if one.provider != provider:
            raise ProjectError(f"{one.provider} is up already (since {one.since}): first `make down`.")


def write(project: Project, provider: str, content: Mapping[str, Any]) -> None:
    """Writes a file so that it survives a crash of the machine.

    Raises:
        ProjectError: It cannot be written, so nothing may be started.
    """
    import yaml

    path = project.records / f"{provider}.yaml"
    try:
        project.records.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", dir=project.records, prefix=".", delete=False, encoding="utf-8"
        ) as file:
            try:
                text = yaml.safe_dump(dict(content), sort_keys=False, allow_unicode=True, width=1000)
                file.write(_HEADER + text)
                file.flush()
                os.fsync(file.fileno())
                os.replace(file.name, path)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        raise ProjectError(f"{explain(error, path)} Nothing was started.") from None


def remove(project: Project, provider: str) -> None:
    """Forgets a deployment of which nothing is left."""
    (project.records / f"{provider}.yaml").unlink(missing_ok=True)


def _damaged(project: Project, provider: str) -> ProjectError:
    if provider == "local":
        mend = "Look for what `ps` shows of kubefuture, end it, remove the file, and run `make down` again."
    else:
        again = f"make down PROJECT={shlex.quote(project.name)} PROVIDER={provider}"
        mend = f"Mend it, or remove it and find what is there by its label: {again}"
    path = project.records / f"{provider}.yaml"
    return ProjectError(f"{path} is damaged, so it cannot be told what is up. {mend}", exit_code=4)
