"""The commands, one module each. A project's Makefile calls them in its tools' environment.

    make status ──> tools' Python: values.yaml is checked ──exec──> .venv's Python: asks the scheduler

Only the module of the command that is asked for is imported. A command that needs the runtime's own
packages (`IN_VENV`) goes on in the project's environment, which has them, unless its `check` says all (and
returns an exit code) or raises an error. One that needs no project (`ANYWHERE`) runs where it is called, if there is
none.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn, TextIO

from ..errors import KubefutureError
from ..project.errors import ProjectError, explain
from ..project.folder import Project

_COMMANDS = {
    "doctor": "check this machine and values.yaml, and say what to mend",
    "up": "start what values.yaml describes",
    "run": "run a script on it",
    "status": "show the workers and what they are doing",
    "scale": "change how many workers there are",
    "down": "end everything, and prove that nothing is left",
    "lock": "compile requirements.lock",
    "logs": "show what keeper, scheduler and worker say",
    "trace": "show the life of a map, from the logs",
    "conformance": "check that everything behaves as it should on these workers",
    "forward": "show a page for browsers at an address of this machine",
    "shell": "open Python with the project's packages and workers",
    "update": "bring in what is new in the template",
    "values": "check values.yaml",
    "environment": "make .venv what requirements.lock says",
    "record": "record what is about to be started (called by the playbooks)",
    "rotate": "make a new token and certificate for what is up on a cluster",
    "cluster": "one step of up or down on a cluster (called by the playbooks)",
    "keeper": "start, stop or look for the processes on this machine (called by the playbooks)",
}

_UNCHECKED = ("doctor", "down", "update", "keeper", "record")
"""Not stopped by a wrong values.yaml: doctor reports it, update may mend it, and down must always work."""


_TARGETS = (
    "doctor",
    "up",
    "run",
    "status",
    "scale",
    "down",
    "lock",
    "logs",
    "trace",
    "shell",
    "forward",
    "rotate",
    "update",
)
"""Commands that people call by make."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        arguments: The command line without the program's name.

    Returns:
        The exit code: 0 done, 1 a sentence says why not, 2 wrong usage, and what a command adds to these.
    """
    _prepare_output(sys.stdout)
    _prepare_output(sys.stderr)
    words = list(sys.argv[1:] if arguments is None else arguments)
    name = words[0] if words and words[0] in _COMMANDS else ""
    module = importlib.import_module(f".{name}", __package__) if name else None
    parser = _parser(name)
    if module is None:
        parser.parse_args(words)
        return 2
    module.add_arguments(parser)
    try:
        # A playbook that is interrupted ends its tasks so; what a command began, it then ends.
        signal.signal(signal.SIGTERM, _on_term)
        options = parser.parse_args(words[1:])
        project = Project.here()
        in_venv = os.path.realpath(sys.prefix) == os.path.realpath(project.venv)
        if getattr(module, "ANYWHERE", False) and not project.values_file.exists():
            in_venv = True  # there is no project: whoever calls it has the runtime in this environment
        if name not in _UNCHECKED and not in_venv:
            from ..project import values

            values.load(project, keep=not getattr(options, "check", False))
        if not getattr(module, "IN_VENV", False) or in_venv:
            return int(module.run(project, options))
        if hasattr(module, "check"):
            code = module.check(project, options)
            if code is not None:
                return int(code)
        _go_to_venv(project, words)
    except KubefutureError as error:
        print(f"error: {error}", file=sys.stderr)
        return getattr(error, "exit_code", 1)
    except BrokenPipeError:
        # Whoever read our output has left, as `head` does.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        print(f"error: {explain(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 130


class _Parser(argparse.ArgumentParser):
    """Says in one sentence what was not understood; argparse says it below its whole usage."""

    def error(self, message: str) -> NoReturn:
        command = self.prog.split()[-1]
        how = f"{self.prog} --help" if command not in _TARGETS else f"make {command} ARGS=--help"
        self.exit(2, f"error: {message[:1].upper()}{message[1:]}. Nothing was done. What it takes: {how}\n")


def _parser(name: str) -> argparse.ArgumentParser:
    program = "python -m kubefuture"
    if name:
        return _Parser(prog=f"{program} {name}", description=f"{_COMMANDS[name].capitalize()}.")
    rows = "\n".join(f"  {command:<12} {what}" for command, what in _COMMANDS.items())
    parser = _Parser(
        prog=program,
        usage=f"{program} COMMAND [options]",
        description="The commands behind a project's make targets, run in the project's folder.",
        epilog=f"commands:\n{rows}\n\n`{program} COMMAND --help` explains one.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("COMMAND", choices=list(_COMMANDS), help=argparse.SUPPRESS)
    return parser


def _go_to_venv(project: Project, words: list[str]) -> NoReturn:
    """Goes on in the project's environment."""
    if not project.venv_python.exists():
        raise ProjectError("The project has no environment yet. Make one, and start the workers: make up")
    sys.stdout.flush()
    python = str(project.venv_python)
    os.execv(python, [python, "-I", "-m", "kubefuture", *words])


def _prepare_output(stream: TextIO) -> None:
    # A path with letters that the terminal's encoding lacks must not end a command.
    with contextlib.suppress(AttributeError):
        stream.reconfigure(errors="replace", line_buffering=True)  # type: ignore[attr-defined]


def _on_term(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)
