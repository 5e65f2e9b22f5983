"""Keeps one worker process of Dask's running in its pod: `python -m kubefuture.pod.dask_supervisor`.

A container that is started again and again waits longer each time, minutes in the end; a process need not. So an
element that ends its process costs a second. It also looks at the container's memory: the process is ended by name
before the kernel ends the container (R20).
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType

from ..core.cgroups import MemoryGroup, memory_groups
from ..core.program import log
from ..core.resources import slot_environment
from ..worker.memory import LIMIT_SHARE, LOOK_SECONDS

_FIRST_TRIES = 3
"""After so many processes in a row that have never been ready, the container ends, and its last lines are shown."""

_PACE = 1.0
"""A process is not started sooner after the one before it, in seconds."""


class DaskSupervisor:
    """One process at a time.

    Args:
        command: What to run; its own process id is added as `--parent`.
        environment: Its environment.
        ready_file: What the process makes when it is ready.
        groups: The control groups whose memory limits count.
    """

    def __init__(
        self, command: list[str], environment: dict[str, str], ready_file: Path, groups: list[MemoryGroup]
    ) -> None:
        self._command = [*command, "--parent", str(os.getpid())]
        self._environment = environment
        self._ready_file = ready_file
        self._groups = groups
        self._process: subprocess.Popen[bytes] | None = None
        self._ending = False

    def end(self, number: int = 0, frame: FrameType | None = None) -> None:
        """Tells the process to go; a handler of signals."""
        self._ending = True
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def run(self) -> int:
        """Runs until it is told to end; returns the exit code."""
        failures = 0
        while True:
            began = time.monotonic()
            code = self._one()
            if self._ending:
                return 0
            failures = 0 if self._ready_file.exists() else failures + 1
            if failures >= _FIRST_TRIES:
                log(f"cannot go on: {failures} worker processes have ended before they were ready")
                return 1
            how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
            log(f"the worker process has ended {how}; another one is started")
            time.sleep(max(0.0, began + _PACE - time.monotonic()))

    def _one(self) -> int:
        """Runs one process to its end, and ends what it has left; returns its exit code."""
        self._ready_file.unlink(missing_ok=True)
        self._process = process = subprocess.Popen(
            self._command, env=self._environment, stdin=subprocess.DEVNULL, process_group=0
        )
        if self._ending:  # told so while it was started
            process.send_signal(signal.SIGTERM)
        while True:
            with suppress(subprocess.TimeoutExpired):
                code = process.wait(LOOK_SECONDS)
                break
            self._look_at_memory(process)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        return code

    def _look_at_memory(self, process: subprocess.Popen[bytes]) -> None:
        for group in self._groups:
            use = group.over(LIMIT_SHARE)
            if use is not None:
                log(
                    f"the worker process is ended for want of memory: the container used {use.used >> 20} MiB of the "
                    f"{use.limit >> 20} MiB that it may (workers.memory)"
                )
                process.kill()
                return


def main() -> int:
    """Runs it; returns the exit code."""
    arguments = argparse.ArgumentParser(prog="python -m kubefuture.pod.dask_supervisor", description=__doc__)
    arguments.add_argument("--threads-per-slot", type=int, default=1, help="threads of numerical libraries")
    arguments.add_argument(
        "--ready-file", type=Path, required=True, help="a file that is made when it is ready"
    )
    options, rest = arguments.parse_known_args()
    rest += ["--ready-file", str(options.ready_file)]
    command = [sys.executable, "-P", "-u", "-m", "kubefuture.pod.dask_worker", *rest]
    environment = slot_environment(options.threads_per_slot, os.environ)
    supervisor = DaskSupervisor(command, environment, options.ready_file, memory_groups())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, supervisor.end)
    return supervisor.run()


if __name__ == "__main__":
    sys.exit(main())
