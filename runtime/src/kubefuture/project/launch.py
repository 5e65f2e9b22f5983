"""Goes on as the user's own program: the project's Python, with its modules and its workers."""

from __future__ import annotations

import difflib
import os
import re
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from ..core.connection import Connection
from ..errors import NotUpError
from .errors import ProjectError, explain
from .folder import Project

SCRIPT = Path(__file__).with_name("script.py")
"""The program that runs a script."""

_RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")

RUN_VARIABLE = "KUBEFUTURE_RUN"
"""Environment variable: the name of the run that a script is."""

CONNECTION_VARIABLE = "KUBEFUTURE_CONNECTION"
"""Environment variable: the connection file of the cluster that a script uses."""


def refuse_bad_script(project: Project, script: str) -> Path:
    """Finds a script and reads it, so that what is wrong with it is said before anything starts.

    Args:
        project: The project.
        script: As it was typed.

    Returns:
        Its path.

    Raises:
        ProjectError: It does not exist, is no script, or has a syntax error.
    """
    path = Path(script)
    if not script.strip():
        raise ProjectError("Which script? For example: make run SCRIPT=analysis/means.py")
    try:
        source = path.read_bytes()
    except FileNotFoundError:
        raise ProjectError(
            f"There is no script {script} in {project.folder}.{_suggest(project, path)}"
        ) from None
    except IsADirectoryError:
        raise ProjectError(
            f"{script} is a folder, not a script.{_suggest(project, path / 'main.py')}"
        ) from None
    except OSError as error:
        raise ProjectError(explain(error, script)) from None
    try:
        with warnings.catch_warnings():
            # Python says these when it runs the script.
            warnings.simplefilter("ignore")
            compile(source, script, "exec", dont_inherit=True)
    except SyntaxError as error:
        shown = f": {error.text.strip()}" if error.text else ""
        raise ProjectError(
            f"{script}, line {error.lineno or 1}: {error.msg}{shown}. Nothing was started."
        ) from None
    except (ValueError, UnicodeError) as error:
        raise ProjectError(f"{script} is not Python source ({error}). Nothing was started.") from None
    return path


def refuse_if_down(project: Project) -> None:
    """Sees whether the project's workers can be reached.

    Raises:
        NotUpError: Nothing is up, or what was up is gone.
        LoginError: The connection file is not private.
    """
    if not project.connection_file.exists():
        raise NotUpError("Nothing is up in this project yet. Start the workers first: make up")
    connection = Connection.load(project.connection_file)
    try:
        connection.dial(5.0).close()
    except OSError as error:
        if connection.route is not None:
            raise NotUpError(
                f"The scheduler on the cluster cannot be reached: {error.strerror or error} If its pod is only "
                "starting, try again in a moment. See: make status"
            ) from None
        raise NotUpError(
            f"The workers that `make up` started do not answer any more ({error.strerror or error}); "
            "they were ended, or the machine was restarted. Start them again: make up"
        ) from None


def checked_run(name: str) -> str:
    """The name of a run, empty for a run without one.

    Raises:
        ProjectError: It cannot be one.
    """
    if name and not _RUN_NAME.fullmatch(name):
        raise ProjectError(
            f"RUN={name}: a run's name has at most 100 letters, digits, dots, underscores and hyphens, "
            "and begins with a letter or digit."
        )
    return name


def become(project: Project, arguments: Sequence[str], *, up: bool, run: str = "") -> NoReturn:
    """Replaces this process by the project's Python. Ctrl-C and the exit code are the program's own.

    Args:
        project: The project.
        arguments: What follows `python`.
        up: Whether to hand over the connection to the workers.
        run: The name of the run that it is, empty for none.

    Raises:
        ProjectError: There is no environment.
    """
    if not project.venv_python.exists():
        raise ProjectError("The project has no environment yet. Make it, and start the workers: make up")
    own = (CONNECTION_VARIABLE, RUN_VARIABLE)
    environment = {name: value for name, value in os.environ.items() if name not in own}
    if run:
        environment[RUN_VARIABLE] = run
    if up:
        environment[CONNECTION_VARIABLE] = str(project.connection_file)
    # Python itself puts the script's folder first; the project's own modules come next.
    environment["PYTHONPATH"] = os.pathsep.join([str(project.folder), *_python_path()])
    sys.stdout.flush()
    sys.stderr.flush()
    python = str(project.venv_python)
    os.execve(python, [python, *arguments], environment)


def _python_path() -> list[str]:
    return [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]


def _suggest(project: Project, path: Path) -> str:
    scripts = sorted(
        str(found.relative_to(project.folder))
        for folder in (project.folder, project.folder / "analysis", path.parent)
        if folder.is_dir()
        for found in folder.absolute().glob("*.py")
        if found.is_relative_to(project.folder)
    )
    near = difflib.get_close_matches(str(path), scripts, n=1, cutoff=0.5)
    same_name = [script for script in scripts if Path(script).name == path.name]
    if same_name or near:
        return f" Did you mean {(same_name or near)[0]}?"
    return f" There are: {', '.join(dict.fromkeys(scripts))}." if scripts else ""
