"""A project whose keeper keeps stand-ins, and nothing of which is left after the test."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from kubefuture.keeper import life, processes
from kubefuture.keeper.places import Places
from kubefuture.keeper.programs import Plan, Program
from kubefuture.keeper.start import Started, start
from kubefuture.keeper.stop import stop

from tests.faults.waiting import LIMIT
from tests.project import kit

STANDIN = Path(__file__).with_name("standin.py")


@dataclass
class Study:
    """A project with stand-ins."""

    places: Places

    def plan(
        self, *behaviours: str, digest: str = "one", start_limit: float = LIMIT, **environment: str
    ) -> Plan:
        """A plan for stand-ins called a, b, ..."""
        programs = tuple(
            Program(name, (sys.executable, "-P", str(STANDIN), behaviour, str(self.lives(name))), environment)
            for name, behaviour in zip("ab", behaviours, strict=False)
        )
        folder = str(self.places.project.folder)
        return Plan(folder, str(self.places.sockets), programs, digest, grace=1.0, start_limit=start_limit)

    def start(self, *behaviours: str, slots: int = 2, rescale: Callable | None = None, **options) -> Started:
        """Starts them."""
        return start(self.places, self.plan(*behaviours, **options), slots, rescale=rescale or no_rescale)

    def lives(self, name: str) -> Path:
        """Holds one file for each start of a stand-in, named by its process."""
        return self.places.project.folder / "lives" / name

    def starts(self, name: str) -> list[int]:
        """The processes of a stand-in, dead or alive."""
        folder = self.lives(name)
        return sorted(int(path.name) for path in folder.iterdir()) if folder.exists() else []

    def living(self) -> set[int]:
        """All processes of the project; a keeper that just dies shows no environment, but has its lock yet."""
        found = {process.pid for process in processes.of_project(self.places.folders, self.places.state)}
        keeper = life.holder(self.places.life)
        return found if keeper is None else found | {keeper}


def no_rescale(connection: object, slots: int) -> None:
    raise AssertionError("nobody should have been asked for another number of slots")


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Study]:
    """A project of its own, with a runtime folder of its own."""
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o700)
    if len(str(runtime)) <= 40:
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    made = Study(Places.of(kit.make_project(tmp_path / "my study é")))
    yield made
    proof = stop(made.places, patience=5.0)
    assert proof.left == []
    assert made.living() == set()
