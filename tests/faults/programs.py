"""A real scheduler and a real worker, started as the keeper starts them, and killed by role."""

from __future__ import annotations

import os
import secrets
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType

import kubefuture
from kubefuture.client.control import fetch_status
from kubefuture.core.connection import Connection
from kubefuture.protocol.messages import Status

from . import processes
from .waiting import LIMIT, eventually

SOURCE = str(Path(kubefuture.__file__).parents[1])


def environment(**changes: str) -> dict[str, str]:
    """This process's environment, in which our package can be imported and no plan is chosen."""
    base = {name: text for name, text in os.environ.items() if not name.startswith("KUBEFUTURE_")}
    paths = [SOURCE, base.get("PYTHONPATH", "")]
    return {**base, "PYTHONPATH": os.pathsep.join(filter(None, paths)), **changes}


def said(stderr: str) -> list[str]:
    """The lines that a program has said, without that its slots are late: a busy machine needs long to start them."""
    return [line for line in stderr.splitlines() if "no slot is connected, waiting:" not in line]


class Program:
    """One of our daemons.

    Args:
        role: `scheduler` or `worker`.
        arguments: What follows the module's name.
        folder: Where it runs and has its log.
    """

    def __init__(self, role: str, arguments: list[str], folder: Path, **changes: str) -> None:
        self.role = role
        self.log = folder / f"{role}.log"
        self._ready, ready = os.pipe()
        lifeline, self._lifeline = os.pipe()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable, "-m", f"kubefuture.{role}", *arguments,
                    "--ready-fd", str(ready), "--lifeline-fd", str(lifeline),
                ],
                cwd=folder, env=environment(**changes), pass_fds=(ready, lifeline),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        os.close(ready)
        os.close(lifeline)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def answer(self) -> str:
        """The line that says `ready`, or `error` and why; empty when it ended without a word."""
        with os.fdopen(self._ready, "rb") as ready:
            assert select.select([ready], [], [], LIMIT)[0], f"{self.role} says nothing: {self.text()}"
            return ready.readline().decode().rstrip("\n")

    def text(self) -> str:
        """Its log."""
        return self.log.read_text(errors="replace")

    def kill(self, number: int = signal.SIGKILL) -> int:
        """Sends a signal, SIGKILL unless another is named, and returns the exit code."""
        self.process.send_signal(number)
        return self.process.wait(LIMIT)

    def cut_lifeline(self) -> int:
        """Does what the keeper's death does, and returns the exit code."""
        os.close(self._lifeline)
        self._lifeline = -1
        return self.process.wait(LIMIT)

    def close(self) -> None:
        """Ends it if it still runs."""
        if self.process.poll() is None:
            self.kill()
        if self._lifeline >= 0:
            self.cut_lifeline()


class Cluster:
    """A scheduler and a worker on this machine.

    Attributes:
        connection: Where it is, for `plan("cluster", connection=…)`.
        scheduler: The scheduler's present process.
        worker: The supervisor's present process.
    """

    def __init__(self, slots: int = 2) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="kubefuture-test-"))
        self.connection = self.folder / "connection.json"
        self.socket = self.folder / "scheduler"
        self.slots_file = self.folder / "slots"
        self.slots_file.write_text(f"{slots}\n")
        Connection("test", "local", f"unix:{self.socket}", secrets.token_hex(32)).save(self.connection)
        self.scheduler: Program | None = None
        self.worker: Program | None = None

    def start(self) -> Cluster:
        """Starts both and returns when all slots are connected."""
        self.start_scheduler()
        self.start_worker()
        return self

    def program(self, role: str, *arguments: str, **changes: str) -> Program:
        """Starts a program without waiting for what it says."""
        files = ["--connection", str(self.connection), "--slots-file", str(self.slots_file)]
        if role == "scheduler":
            files += ["--journal", str(self.folder / "journal")]
        return Program(role, [*files, *arguments], self.folder, **changes)

    def start_scheduler(self) -> None:
        """Starts a scheduler, anew after it was killed."""
        self.scheduler = self._started("scheduler")

    def start_worker(self) -> None:
        """Starts a worker, anew after it was killed."""
        self.worker = self._started("worker")

    def _started(self, role: str) -> Program:
        program = self.program(role)
        said = program.answer()
        assert said == "ready", f"{role}: {said}\n{program.text()}"
        return program

    def slots(self) -> list[int]:
        """The slots' process ids."""
        assert self.worker is not None
        return processes.slots_of(self.worker.pid)

    def status(self) -> Status:
        """What `make status` would show."""
        return fetch_status(Connection.load(self.connection))

    def kill_scheduler(self) -> None:
        """SIGKILL; its socket stays, as after a crash."""
        assert self.scheduler is not None
        self.scheduler.kill()

    def kill_worker(self) -> None:
        """SIGKILL for the supervisor, which its slots do not survive."""
        assert self.worker is not None
        slots = self.slots()
        self.worker.kill()
        for slot in slots:
            eventually(lambda slot=slot: not processes.is_alive(slot), "the slots' end")  # type: ignore[misc]

    def close(self) -> None:
        """Ends everything."""
        for program in (self.worker, self.scheduler):
            if program is not None:
                program.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Cluster:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
