"""What making the lock and the environment would change, down to the packages. Only looks.

values.yaml, runtime ──(uv, in a temporary folder)──> the lock as it would be ─┬─> new, other version, gone
.venv/lib/python3.x/site-packages ──────────────────> what is installed ───────┘
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.metadata import distributions
from pathlib import Path

from . import environment, lock
from .changes import Change
from .folder import Project
from .values import Values

_NAMED = 10
"""How many packages are named of each kind; the user's own come first."""


def changes(project: Project, wanted: Values) -> Iterator[Change]:
    """What `environment` would change.

    Args:
        project: The project.
        wanted: Its values.

    Raises:
        ProjectError: It could not be done.
    """
    if lock.is_current(project, lock.inputs(project, wanted)):
        text = project.lock_file.read_text(encoding="utf-8")
    else:
        text = lock.drafted(project, wanted)
        yield Change(
            "requirements.lock",
            "would compile requirements.lock anew, as the packages in values.yaml or the runtime changed",
        )
    why = environment.outdated(project, text)
    if not why:
        return
    environment.refuse_foreign(project)
    own = [lock.package_name(one) for one in wanted.pip]
    difference = _difference(_installed(project.venv), _locked(text), own)
    yield Change(".venv", f"would make the Python environment .venv: {why}; {difference}")


def is_pending(project: Project, wanted: Values) -> bool:
    """Whether lock or environment would change; quick, since it is not asked how.

    Args:
        project: The project.
        wanted: Its values.
    """
    if not lock.is_current(project, lock.inputs(project, wanted)):
        return True
    return bool(environment.outdated(project))


def _difference(there: Mapping[str, str], wanted: Mapping[str, str], own: Sequence[str]) -> str:
    new = [name for name in wanted if name not in there]
    other = [name for name in wanted if name in there and there[name] != wanted[name]]
    gone = [name for name in there if name not in wanted]
    parts = [
        _listed("new", new, own, lambda name: f"{name} {wanted[name]}"),
        _listed("another version of", other, own, lambda name: f"{name} ({there[name]} → {wanted[name]})"),
        _listed("no more", gone, own, str),
    ]
    return "; ".join(filter(None, parts)) or "with the same packages"


def _listed(title: str, names: Sequence[str], own: Sequence[str], shown: Callable[[str], str]) -> str:
    ordered = sorted(names, key=lambda name: (name not in own, name))
    words = [shown(name) for name in ordered[:_NAMED]]
    if len(ordered) > _NAMED:
        words.append(f"and {len(ordered) - _NAMED} more")
    return f"{title} {', '.join(words)}" if words else ""


def _locked(text: str) -> dict[str, str]:
    """The packages of a lock that this system and Python need."""
    from packaging.requirements import InvalidRequirement, Requirement

    found = {}
    for line in text.splitlines():
        if not line[:1].isalnum():
            continue  # a comment, or a hash
        try:
            requirement = Requirement(line.rstrip(" \\"))
        except InvalidRequirement:
            continue
        if requirement.marker is None or requirement.marker.evaluate():
            version = str(requirement.specifier).removeprefix("==") or str(requirement.url)
            found[lock.package_name(requirement.name)] = version
    return found


def _installed(venv: Path) -> dict[str, str]:
    folders = [str(folder) for folder in venv.glob("lib/python*/site-packages")]
    return {
        lock.package_name(one.metadata["Name"]): one.version
        for one in distributions(path=folders)
        if one.metadata["Name"]
    }
