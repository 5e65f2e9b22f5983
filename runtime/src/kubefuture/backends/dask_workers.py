"""A Dask cluster of this program's own: Dask's scheduler in one of its threads, and its workers as children.

Dask's own local cluster runs the user's script once more in every worker unless that has an
`if __name__ == "__main__"`, and lets every user of the machine in. Here the workers are started as slots are: with
their own bootstrap, in process groups of their own, with the numerical libraries' threads limited before Python
starts (R1, R24), and with TLS.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from itertools import count
from pathlib import Path
from typing import Any

from ..core.resources import slot_environment

_BOOTSTRAP = (
    "import sys; sys.path.insert(0, {path!r}); "
    "from kubefuture.worker.lifetime import die_with_parent; die_with_parent({parent}); "
    "from distributed.cli.dask_worker import main; main()"
)
_SOURCE = str(Path(__file__).resolve().parents[2])
_SETTINGS = {
    "DASK_LOGGING__DISTRIBUTED": "critical",
    # Looks at all threads a hundred times a second, in which Python 3.11 before 3.11.9 can hang for ever (gh-106883).
    "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
}
_REAP_SECONDS = 5.0


class _Silence:
    """Dask's log is not for the users of kubefuture, as long as one cluster of ours lives.

    Dask's own way, for each cluster, ends the silence of the second one with the first.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clusters = 0
        self._end = ExitStack()

    def begin(self) -> None:
        """A cluster begins."""
        from distributed.utils import silence_logging_cmgr

        with self._lock:
            if not self._clusters:
                self._end.enter_context(silence_logging_cmgr("critical"))
                log = logging.getLogger("distributed")
                self._end.callback(setattr, log, "propagate", log.propagate)
                log.propagate = False  # to the root logger's handlers, where the program has set any
                nowhere = logging.NullHandler()  # without any, Python would print what is a warning or worse
                log.addHandler(nowhere)
                self._end.callback(log.removeHandler, nowhere)
            self._clusters += 1

    def end(self) -> None:
        """A cluster has ended."""
        with self._lock:
            self._clusters -= 1
            if not self._clusters:
                self._end.close()


silence = _Silence()
"""Begun and ended by each cluster of ours."""


class DaskWorkers:
    """A scheduler, and the processes of its workers. Call everything in one thread, since they end with it.

    Args:
        distributed: Dask's package.
        threads_per_slot: How many threads a worker's numerical libraries may use.

    Attributes:
        cluster: Dask's object, for its client.
        security: What a client needs to be let in.
    """

    def __init__(self, distributed: Any, threads_per_slot: int) -> None:
        self._environment: Mapping[str, str] = slot_environment(threads_per_slot, os.environ) | _SETTINGS
        self._numbers = count()
        self._living: dict[str, subprocess.Popen[bytes]] = {}
        self._leaving: list[subprocess.Popen[bytes]] = []
        self._folder = Path(tempfile.mkdtemp(prefix="kubefuture-dask-"))
        self.security: Any = distributed.Security.temporary()
        self._keys = self._write_keys()
        # Our workers are killed in the end, and Dask may notice after its own silence is over.
        logging.getLogger("distributed.batched").addFilter(_is_no_farewell)
        silence.begin()
        self.cluster: Any = distributed.LocalCluster(
            n_workers=0,
            processes=True,
            host="127.0.0.1",
            protocol="tls://",
            security=self.security,
            dashboard_address="127.0.0.1:0",
            scheduler_kwargs={"dashboard": False},
            silence_logs=False,
        )

    def start(self, number: int) -> None:
        """Starts so many workers."""
        for _ in range(number):
            name = f"kubefuture-{next(self._numbers)}"
            bootstrap = _BOOTSTRAP.format(path=_SOURCE, parent=os.getpid())
            self._living[name] = subprocess.Popen(
                [sys.executable, "-P", "-u", "-c", bootstrap, self.cluster.scheduler_address, "--name", name,
                 "--nthreads", "1", "--no-nanny", "--no-dashboard", "--memory-limit", "0",
                 "--local-directory", str(self._folder), *self._keys],
                env=dict(self._environment),
                stdin=subprocess.DEVNULL,
                process_group=0,
            )  # fmt: skip

    @property
    def names(self) -> list[str]:
        """Those that live, the oldest first."""
        return list(self._living)

    def reap(self) -> None:
        """Notices which have ended."""
        for name in [name for name, process in self._living.items() if process.poll() is not None]:
            del self._living[name]
        self._leaving = [process for process in self._leaving if process.poll() is None]

    def retired(self, names: list[str]) -> None:
        """These were told to go."""
        self._leaving += [self._living.pop(name) for name in names]

    def close(self) -> None:
        """Ends the workers, then the scheduler."""
        for process in (*self._living.values(), *self._leaving):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
        for process in (*self._living.values(), *self._leaving):
            with suppress(subprocess.TimeoutExpired):
                process.wait(_REAP_SECONDS)
        self._living.clear()
        with suppress(Exception):  # the interpreter may be ending, and Dask with it
            self.cluster.close(timeout=_REAP_SECONDS)
        silence.end()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _write_keys(self) -> list[str]:
        """The keys in files that only this user can read, as the workers' arguments."""
        arguments = []
        found = self.security.get_tls_config_for_role("worker")
        for option, key in [("ca-file", "ca_file"), ("cert", "cert"), ("key", "key")]:
            path = self._folder / f"{key}.pem"
            path.write_text(found[key], encoding="ascii")
            arguments += [f"--tls-{option}", str(path)]
        return arguments


def _is_no_farewell(record: logging.LogRecord) -> bool:
    """Whether a record is about more than a connection that was closed."""
    kind = record.exc_info[0] if record.exc_info else None
    return kind is None or kind.__name__ != "CommClosedError"
