"""A project's cluster that runs Dask, as its pods start it, on this machine: a scheduler, and supervised workers."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType

from kubefuture.core.certificate import make_certificate
from kubefuture.core.connection import Connection

from .ports import free_port
from .processes import living
from .programs import environment
from .tls import write_pair
from .waiting import LIMIT, eventually

_START = (
    "import runpy; from kubefuture.worker.lifetime import die_with_parent; die_with_parent({}); "
    "runpy.run_module('kubefuture.pod.{}', run_name='__main__')"
)


class DaskCluster:
    """It.

    Args:
        workers: How many.

    Attributes:
        connection: The connection file, which leads to the scheduler's port.
        port: That.
        workers: The supervisors by number.
    """

    def __init__(self, workers: int = 2) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="kubefuture-test-"))
        self.connection = self.folder / "connection.json"
        self.port = free_port()
        certificate, key = make_certificate(mutual=True)
        pair = write_pair(self.folder, certificate, key)
        self.keys = ["--certificate", str(pair[0]), "--key", str(pair[1])]
        Connection(
            "study", "existing", f"tcp:127.0.0.1:{self.port}", "", certificate, engine="dask", private_key=key
        ).save(self.connection)
        self.scheduler: subprocess.Popen[bytes] | None = None
        self.workers: dict[int, subprocess.Popen[bytes]] = {}
        self._number = workers

    def program(self, name: str, module: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Starts a program of the pods'; its log and its sign that it is ready are called after its name."""
        (self.folder / f"{name}.ready").unlink(missing_ok=True)
        ready = ["--ready-file", str(self.folder / f"{name}.ready")]
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-P", "-c", _START.format(os.getpid(), module), *self.keys, *ready, *arguments],
                cwd=self.folder, env=environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    def start_scheduler(self) -> None:
        """Starts it, anew after it was killed."""
        self.scheduler = self.program("scheduler", "dask_scheduler", "--port", str(self.port))
        self.wait_for("scheduler")

    def start_worker(self, *more: str, number: int | None = None) -> int:
        """Starts a supervisor with its worker; returns its number."""
        number = len(self.workers) if number is None else number
        self.workers[number] = self.program(
            f"worker-{number}", "dask_supervisor", "--scheduler", f"127.0.0.1:{self.port}", "--host", "127.0.0.1",
            "--port", "0", "--name", f"worker-{number}", "--folder", str(self.folder), "--drain-seconds", "600", *more,
        )  # fmt: skip
        return number

    def wait_for(self, name: str) -> None:
        """Waits until a program is ready."""
        eventually((self.folder / f"{name}.ready").exists, f"{name} is ready", 240)

    def log(self, name: str) -> str:
        """What a program has said."""
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def process_of(self, number: int) -> int:
        """The process of a worker, below its supervisor."""

        def child() -> int:
            return next((pid for pid, one in living().items() if one.parent == self.workers[number].pid), 0)

        return eventually(child, "the supervisor has a worker process")

    def tell_to_go(self, number: int) -> None:
        """What Kubernetes tells a pod that is to end."""
        self.workers[number].send_signal(signal.SIGTERM)

    def __enter__(self) -> DaskCluster:
        try:
            self.start_scheduler()
            for number in range(self._number):
                self.start_worker(number=number)
            for number in self.workers:
                self.wait_for(f"worker-{number}")
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        """Ends everything."""
        for process in (*self.workers.values(), self.scheduler):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait(LIMIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
