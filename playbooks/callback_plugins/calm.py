"""Ansible's output as short sentences: what is done, what came of it, and what is taking long.

task starts ──> its name
                  └─ after two seconds, now and then: "... 12 s: downloading numpy"
task ends ────> what its command said, indented; an error as `error: ...` on standard error
"""

from __future__ import annotations

import os
import threading
import time
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
    name: calm
    type: stdout
    short_description: short sentences
    description: Prints the names of tasks, what the project's own commands say, and errors.
    options: {}
"""

_PATIENCE = 2.0
_SHOWN = ("kubefuture", "ansible.builtin.debug", "debug")


class CallbackModule(CallbackBase):
    """Prints calmly."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "calm"

    def __init__(self) -> None:
        super().__init__()
        self._waiting: _Waiting | None = None

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        """Says what is done now."""
        self._end_waiting()
        if task.action == "kubefuture":
            _print(1, task.name)
            self._waiting = _Waiting(os.environ.get("KUBEFUTURE_STEP_FILE", ""))

    def v2_runner_on_ok(self, result: Any) -> None:
        """Says what came of it."""
        self._end_waiting()
        if result.task.action not in _SHOWN:
            return
        indent = "  " if result.task.action == "kubefuture" else ""
        said = result.result.get("stdout") or result.result.get("msg") or ""
        for line in said if isinstance(said, list) else str(said).splitlines():
            _print(1, indent + str(line))

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """Says what went wrong."""
        self._end_waiting()
        if result.result.get("interrupted"):
            return  # whoever interrupted it knows
        if result.result.get("stdout"):
            _print(1, str(result.result["stdout"]))
        words = result.result.get("msg") or f"{result.task.name} failed"
        _print(2, f"error: {words}")

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """Says what could not be reached."""
        self.v2_runner_on_failed(result)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """Ends the last line."""
        self._end_waiting()

    def _end_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.end()
            self._waiting = None


class _Waiting:
    """Shows that time passes. A thread, because Ansible's main loop waits for the task.

    It writes with `os.write` and holds no lock that a process forked meanwhile could need.
    """

    def __init__(self, step_file: str) -> None:
        self._step_file = step_file
        self._live = os.isatty(1)
        self._shown = False
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Stops, and cleans the line."""
        self._over.set()
        self._thread.join()
        if self._live and self._shown:
            os.write(1, b"\r\033[K")

    def _run(self) -> None:
        began = time.monotonic()
        wait = _PATIENCE
        while not self._over.wait(wait):
            words = f"  ... {time.monotonic() - began:.0f} s"
            step = self._step()
            if step:
                words += f": {step}"
            if self._live:
                os.write(1, f"\r\033[K{words[: _width() - 1]}".encode(errors="replace"))
            else:
                _print(1, words)
            self._shown = True
            wait = 0.5 if self._live else 10.0

    def _step(self) -> str:
        try:
            with open(self._step_file, encoding="utf-8", errors="replace") as file:
                return file.read(200).strip()
        except OSError:
            return ""


def _print(stream: int, words: str) -> None:
    # Not Ansible's own display, which wraps, colours and prefixes.
    try:
        os.write(stream, f"{words}\n".encode(errors="replace"))
    except OSError:
        # Whoever read our output has left; the work goes on.
        pass


def _width() -> int:
    try:
        return max(20, os.get_terminal_size(1).columns or 80)
    except OSError:
        return 80
