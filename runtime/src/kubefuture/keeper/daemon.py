"""The keeper's process: signals, pipes and files around the machine in supervision.py.

    plan (stdin) ──> [ wait for: a child's pipe, SIGCHLD, SIGTERM, the next deadline ] ──> events
                       ^                                                                      v
                       └──────────────── start, signal, tell, finish <────────────── Supervision

It has no threads, so it can fork safely, and it never computes: nothing of it can hang.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from ..project.errors import explain
from ..project.folder import Project
from . import life, words
from .child import Child
from .places import Places
from .programs import Plan
from .supervision import Action, Finish, Send, Start, Supervision, Up

PROJECT_VARIABLE = "KUBEFUTURE_PROJECT_DIR"
"""Environment variable of every process that belongs to a project, by which it can be found."""


def serve(lock: int, report: int) -> int:
    """Keeps programs until SIGTERM.

    Args:
        lock: File descriptor that holds the project's keeper.lock.
        report: Where to tell the one who waits that all is up, or why not; one line of JSON.

    Returns:
        The exit code.
    """
    plan = Plan.from_json(sys.stdin.read())
    keeper = _Keeper(plan, report)
    try:
        life.sign(lock)
        reason = keeper.run()
    except OSError as error:
        reason = explain(error)
        keeper.say(reason)
    reason = keeper.clear_away(reason)
    keeper.tell({"error": reason or "It was stopped before it was up."})
    return 1 if reason else 0


class _Keeper:
    def __init__(self, plan: Plan, report: int) -> None:
        self._plan = plan
        self._report = report
        self._places = Places(Project(Path(plan.folder)), Path(plan.sockets))
        self._programs = {program.name: program for program in plan.programs}
        self._machine = Supervision(list(self._programs), grace=plan.grace, start_limit=plan.start_limit)
        self._children: dict[str, Child] = {}
        self._lifeline, self._life = os.pipe()
        self._selector = selectors.DefaultSelector()
        self._asked_to_end = False
        self._reason: str | None = None
        self._written = ""

    def run(self) -> str:
        """Runs until everything has ended.

        Returns:
            Why, or an empty string if that was asked for.
        """
        self._listen_to_signals()
        self.say(f"keeps {', '.join(self._programs)} (process {os.getpid()})")
        self._act(self._machine.begin(time.monotonic()))
        while self._reason is None:
            self._write_state()
            deadline = self._machine.deadline()
            wait = None if deadline is None else max(0.0, deadline - time.monotonic())
            for key, _ in self._selector.select(wait):
                if key.data is None:
                    os.read(key.fd, 4096)
                else:
                    self._hear(key.data)
            self._reap()
            if self._asked_to_end:
                self._act(self._machine.end(time.monotonic()))
            self._act(self._machine.tick(time.monotonic()))
        return self._reason

    def say(self, words_: str) -> None:
        """Writes a line to the keeper's log, which its standard output is."""
        try:
            os.write(1, f"{words.stamp()} {words_}\n".encode())
        except OSError:
            # A full disk must not end the programs that are kept.
            pass

    def tell(self, message: dict[str, object]) -> None:
        """Tells the one who waits, once."""
        if self._report < 0:
            return
        try:
            os.write(self._report, json.dumps(message).encode() + b"\n")
        except OSError:
            # Nobody waits any more.
            pass
        os.close(self._report)
        self._report = -1

    def clear_away(self, reason: str) -> str:
        """Removes the keeper's files.

        Returns:
            The reason, or why they could not be removed.
        """
        try:
            self._places.clear()
            self._places.life.unlink(missing_ok=True)
        except OSError as error:
            reason = reason or explain(error)
            self.say(explain(error))
        self.say("has ended" + (f": {reason}" if reason else ""))
        return reason

    def _listen_to_signals(self) -> None:
        read, write = os.pipe()
        os.set_blocking(read, False)
        os.set_blocking(write, False)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.signal(signal.SIGTERM, self._on_term)
        signal.signal(signal.SIGINT, self._on_term)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self._selector.register(read, selectors.EVENT_READ, None)

    def _on_term(self, number: int, frame: FrameType | None) -> None:
        self._asked_to_end = True

    def _hear(self, child: Child) -> None:
        pipe = child.pipe
        said = child.hear()
        if child.pipe is None and pipe is not None:
            self._selector.unregister(pipe)
        if said == "ready":
            self.say(f"{child.name} is ready (process {child.pid})")
            self._act(self._machine.ready(child.name, time.monotonic()))

    def _reap(self) -> None:
        for name, child in list(self._children.items()):
            pipe = child.pipe
            reason = child.exit_reason()
            if reason is None:
                continue
            if pipe is not None:
                self._selector.unregister(pipe)
            del self._children[name]
            self.say(f"{name} is gone: {reason}")
            self._act(self._machine.exited(name, reason, time.monotonic()))

    def _act(self, actions: list[Action]) -> None:
        for action in actions:
            if isinstance(action, Start):
                self._start(action.name)
            elif isinstance(action, Send):
                self.say(f"sends {signal.Signals(action.signal).name} to {action.name}")
                self._children[action.name].send(action.signal)
            elif isinstance(action, Up):
                self._write_state()
                self.tell({"up": {name: child.pid for name, child in self._children.items()}})
            elif isinstance(action, Finish):
                self._reason = action.reason

    def _start(self, name: str) -> None:
        try:
            child = Child(self._programs[name], self._places.log(name), self._lifeline, os.environ)
        except OSError as error:
            reason = f"The {name} could not be started. {explain(error)}"
            self.say(reason)
            self._act(self._machine.exited(name, reason, time.monotonic()))
            return
        self._children[name] = child
        assert child.pipe is not None
        self._selector.register(child.pipe, selectors.EVENT_READ, child)

    def _write_state(self) -> None:
        content = {
            "pid": os.getpid(),
            "digest": self._plan.digest,
            "ready": self._machine.all_ready,
            "was_up": self._machine.was_up,
            "programs": {name: child.pid for name, child in self._children.items()},
        }
        text = json.dumps(content)
        if text == self._written:
            return
        self._written = text
        draft = self._places.state.with_name(".keeper.json.new")
        try:
            draft.write_text(text, encoding="utf-8")
            os.replace(draft, self._places.state)
        except OSError:
            # Only spares the next `make up` a restart; the lock is what proves that we live.
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)
            self.say(f"could not write {self._places.state}")
