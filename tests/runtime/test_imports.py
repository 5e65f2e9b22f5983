"""Folders import downwards only, and each program loads only what it needs."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import kubefuture
import pytest

from tests.faults.programs import environment
from tests.faults.waiting import LIMIT

PACKAGE = Path(kubefuture.__file__).parent

LEVELS = [
    {"errors"},
    {"protocol"},
    {"core"},
    {"machine", "project"},
    {"worker", "client", "scheduler", "keeper", "kube"},
    {"backends", "pod"},
    {"api"},
    {"conformance"},
    {"cli", "joblib_backend"},
    {"__main__", "__init__"},
]
"""From the bottom to the top; folders of one level do not know each other."""

FILES = sorted(path for path in PACKAGE.rglob("*.py") if "__pycache__" not in path.parts)


def level_of(folder: str) -> int:
    """Where a folder, or a file of the top, stands."""
    return next(height for height, names in enumerate(LEVELS) if folder in names)


def imported(path: Path) -> set[str]:
    """Full names of the modules that a file imports, inside functions too."""
    package = ["kubefuture", *path.relative_to(PACKAGE).parent.parts]
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            name = ".".join([*base, *filter(None, [node.module])])
            found |= {f"{name}.{alias.name}" for alias in node.names} if name == "kubefuture" else {name}
    return found


def test_every_folder_has_its_level():
    assert {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in FILES} == set.union(*LEVELS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_only_downwards(path):
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    for name in imported(path):
        if not name.startswith("kubefuture."):
            continue
        folder = name.split(".")[1]
        assert folder == own or level_of(folder) < level_of(own), f"{own} imports {name}"


@pytest.mark.parametrize("folder", ["machine", "protocol"])
def test_state_and_wire_format_know_no_sockets_and_no_clock(folder):
    """R1: events in, messages out, the time passed in."""
    shells = {
        "socket",
        "time",
        "datetime",
        "asyncio",
        "uvloop",
        "threading",
        "os",
        "subprocess",
        "random",
        "numpy",
    }
    for path in (PACKAGE / folder).glob("*.py"):
        assert not {name.split(".")[0] for name in imported(path)} & shells, path.name


def test_one_module_imports_cloudpickle():
    users = [str(path.relative_to(PACKAGE)) for path in FILES if "cloudpickle" in imported(path)]
    assert users == ["core/picklers.py"]


@pytest.mark.parametrize(
    ("program", "without"),
    [
        ("import kubefuture", "numpy asyncio uvloop tqdm cloudpickle msgspec ssl threadpoolctl"),
        ("import kubefuture; kubefuture.map; kubefuture.plan", "numpy asyncio uvloop tqdm ssl threadpoolctl"),
        ("import kubefuture.errors, kubefuture.core.connection, kubefuture.core.runtime_dir", "msgspec numpy asyncio"),
        ("import kubefuture.scheduler.__main__", "kubefuture.core.packing numpy cloudpickle pickle tqdm"),
        ("import kubefuture.machine.machine", "kubefuture.core.packing numpy cloudpickle pickle asyncio socket"),
        ("import kubefuture.worker.slot", "numpy asyncio uvloop tqdm ssl"),
        ("import kubefuture.client.control", "numpy cloudpickle"),
    ],
)  # fmt: skip
def test_a_program_loads_only_what_it_needs(program, without):
    """The scheduler cannot unpickle what users send, and importing costs nothing."""
    check = f"{program}; import sys; print(*sorted(set({without!r}.split()) & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", check], env=environment(), capture_output=True, text=True, timeout=LIMIT
    )
    assert done.stdout.strip() == "", done.stderr
    assert done.returncode == 0, done.stderr
