"""A way into a cluster: `kubectl port-forward`, as a child of the program that needs it.

    program ──> 127.0.0.1:PORT ── kubectl port-forward ══> the cluster's API server ══> scheduler's pod

It ends with its program, whatever ends that: a shell between the two waits for the end of a pipe that only the program
holds. When the way is broken, as by a pod that moved or a network that changed, whoever notices says so, and the next
use opens it anew, at the same port where that is still free: Dask's client comes back to where it was.
"""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import threading
import time
from contextlib import suppress

from ..errors import NoAnswerError
from .forks import abandon_in_forks
from .route import Route

OPEN_SECONDS = 15.0
"""How long opening it may take."""

_WATCHED = 'kubectl "$@" <&- & child=$!; exec >&- 2>&-; read -r _; kill "$child" 2>/dev/null; wait "$child"'
"""Ends kubectl when the program ends. Only kubectl holds the pipe that the program reads, so its own end is seen."""

_OPEN = re.compile(r"^Forwarding from 127\.0\.0\.1:(\d+) ->")


class Tunnel:
    """One open way.

    Args:
        route: Where it leads.
        port: The port at 127.0.0.1 that is wished for; 0 for any.

    Attributes:
        port: The port at 127.0.0.1.

    Raises:
        NoAnswerError: It cannot be opened.
    """

    def __init__(self, route: Route, port: int = 0) -> None:
        self._route = route
        options = ["--context", route.context, "--namespace", route.namespace, "port-forward"]
        options += ["--address", "127.0.0.1", "--pod-running-timeout", "10s"]
        options += [f"{route.kind}/{route.service}", f"{port or ''}:{route.port}"]
        environment = dict(os.environ)
        if route.kubeconfig:
            environment["KUBECONFIG"] = route.kubeconfig
        try:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", _WATCHED, "sh", *options],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,  # Ctrl-C in a terminal is for the program, which may need the way still
            )
        except OSError as error:
            raise NoAnswerError(f"kubectl cannot be started: {error.strerror or error}.") from None
        abandon_in_forks(self)
        try:
            self.port = self._wait()
        except BaseException:
            self.close()
            raise
        threading.Thread(target=self._drain, name="kubefuture-tunnel", daemon=True).start()

    @property
    def is_open(self) -> bool:
        """Whether kubectl still runs, as far as is known."""
        return self._process.stdout is not None and not self._process.stdout.closed

    def close(self) -> None:
        """Ends it."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()
        except OSError:
            pass
        try:
            self._process.wait(5.0)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)  # the shell, and a kubectl that hangs
            self._process.wait()

    def abandon(self) -> None:
        """In a fork of the program: it is the parent's, and must not wait for the fork's end too."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                try:
                    os.close(pipe.fileno())
                except (OSError, ValueError):
                    pass
        _open.pop(self._route, None)

    def _wait(self) -> int:
        assert self._process.stdout is not None
        handle = self._process.stdout.fileno()
        until, all_said = time.monotonic() + OPEN_SECONDS, b""
        # What it has said is read, however late that is.
        while select.select([handle], [], [], max(0.0, until - time.monotonic()))[0]:
            piece = os.read(handle, 4096)
            all_said += piece
            for line in all_said.decode(errors="replace").splitlines():
                if found := _OPEN.match(line):
                    return int(found[1])
            if not piece:
                break
        raise NoAnswerError(
            f"The way into the cluster (context {self._route.context}, namespace {self._route.namespace}) cannot be "
            f"opened: {_gist(all_said)}"
        )

    def _drain(self) -> None:
        """Reads what kubectl says about each connection, so that it never has to wait, and notices its end."""
        assert self._process.stdout is not None
        with self._process.stdout as said:
            try:
                while os.read(said.fileno(), 4096):
                    pass
            except (OSError, ValueError):
                pass


_lock = threading.Lock()
_open: dict[Route, Tunnel] = {}
_ports: dict[Route, int] = {}
"""Where each way was open."""


def _forked() -> None:
    _lock._at_fork_reinit()  # type: ignore[attr-defined] # who held it may not be here to give it back


os.register_at_fork(after_in_child=_forked)


def local_port(route: Route) -> int:
    """The port at 127.0.0.1 that leads there; opens the way if it is not open.

    Raises:
        NoAnswerError: It cannot be opened.
    """
    with _lock:
        tunnel = _open.get(route)
        if tunnel is not None and tunnel.is_open:
            return tunnel.port
        if tunnel is not None:
            _open.pop(route).close()
        tunnel = _open[route] = _opened(route)
        _ports[route] = tunnel.port
        return tunnel.port


def _opened(route: Route) -> Tunnel:
    port = _ports.get(route, 0)
    if port:
        try:
            return Tunnel(route, port)
        except NoAnswerError as error:
            if "unable to listen" not in str(error).lower():
                raise
    return Tunnel(route)


def is_open(route: Route) -> bool:
    """Whether a way was opened before."""
    with _lock:
        tunnel = _open.get(route)
        return tunnel is not None and tunnel.is_open


def current(route: Route) -> Tunnel | None:
    """The way that was opened last, which may lead nowhere by now."""
    with _lock:
        return _open.get(route)


def close(route: Route) -> None:
    """Ends a way that leads nowhere any more, or is not needed; the next use opens it anew."""
    with _lock:
        tunnel = _open.pop(route, None)
    if tunnel is not None:
        tunnel.close()


def _gist(said: bytes) -> str:
    """The last thing that kubectl said, as the end of a sentence."""
    lines = [line.strip() for line in said.decode(errors="replace").splitlines() if line.strip()]
    if not lines:
        return f"kubectl has said nothing for {OPEN_SECONDS:.0f} s. See whether the cluster can be reached."
    return f"{lines[-1].removeprefix('error: ').removeprefix('Error: ').rstrip('.')}."
