"""Runs uv, shows that it is busy, and turns what it says into a sentence.

uv's own words are kept in full in .kubefuture/logs/uv.log, which the sentence names.
"""

from __future__ import annotations

import os
import re
import selectors
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from . import index
from .errors import ProjectError
from .folder import Project
from .progress import Step
from .uv_cache import without_a_cache_if_need_be

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_DECORATION = re.compile(r"^[\s│╰├─▶×╭·]+")
_LABEL = re.compile(r"^(error|cause|caused by):\s*", re.IGNORECASE)
_NOT_FOUND = re.compile(r"\b([A-Za-z0-9][\w.-]*) was not found in the package registry")
_PROGRESS = re.compile(r"^\s*(Downloading|Building|Fetching|Updating)\b")


class UvError(ProjectError):
    """uv could not do it.

    Attributes:
        missing: The names of packages that no registry knows.
        reason: uv's own reason, shortened.
    """

    def __init__(self, message: str, missing: tuple[str, ...], reason: str) -> None:
        super().__init__(message)
        self.missing = missing
        self.reason = reason


def run(
    project: Project, arguments: Sequence[str | Path], *, doing: str, step: Step, traceless: bool = False
) -> None:
    """Runs a uv command.

    Args:
        project: The project, whose folder is the current one.
        arguments: What follows `uv`.
        doing: What this is for, as in "the packages could not be installed".
        step: What is shown while it takes long.
        traceless: Leave neither a cache nor a log behind.

    Raises:
        UvError: It failed; the message gives its reason.
    """
    try:
        process = subprocess.Popen(
            [find_uv(), *arguments],
            cwd=project.folder,
            env=_environment(project.folder) | ({"UV_NO_CACHE": "1"} if traceless else {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
    except OSError as error:
        raise ProjectError(
            f"uv cannot be run ({error.strerror}). Remove .kubefuture/tools and try again."
        ) from None
    with process:
        said = _follow(process, step)
    if process.returncode:
        log = "" if traceless else _write_log(project, arguments, said)
        raise _error(said, doing, log)


def find_uv() -> str:
    """The uv of the tools' environment, else the one on the path."""
    beside = Path(sys.executable).parent / "uv"
    found = str(beside) if beside.exists() else shutil.which("uv")
    if not found:
        raise ProjectError(
            "uv is missing. Remove .kubefuture/tools and try again; it is installed with the tools."
        )
    return found


def reason(said: str) -> str:
    """The part of uv's output that says why, in one line.

    Args:
        said: Its whole output.
    """
    lines = [_DECORATION.sub("", _ANSI.sub("", line)).rstrip() for line in said.splitlines()]
    lines = [
        line
        for line in lines
        if line and not line.startswith(("hint", "warning", "help", "Using ", "Resolved "))
    ]
    because = next((line for line in lines if "Because " in line), None)
    if because is not None:
        return _LABEL.sub("", because)
    errors = [index for index, line in enumerate(lines) if line.startswith("error")]
    block = lines[errors[0] :] if errors else lines[-3:]
    return ": ".join(_LABEL.sub("", line).strip().rstrip(":") for line in block[:4]) or "it gave no reason"


def _follow(process: subprocess.Popen[bytes], step: Step) -> str:
    assert process.stdout is not None
    said = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        try:
            while True:
                # The wait ends by itself, so that the seconds on the screen go on.
                if selector.select(0.25):
                    piece = os.read(process.stdout.fileno(), 65536)
                    if not piece:
                        break
                    said += piece
                busy = [
                    line
                    for line in said[-2000:].decode(errors="replace").splitlines()
                    if _PROGRESS.match(line)
                ]
                step.tick(busy[-1].strip() if busy else None)
        except BaseException:
            process.terminate()
            raise
    process.wait()
    return said.decode(errors="replace")


def _error(said: str, doing: str, log: str) -> UvError:
    why = reason(said)
    missing = tuple(dict.fromkeys(_NOT_FOUND.findall(said)))
    hint = ""
    if "No space left" in said or "os error 28" in said:
        why, hint = "the disk is full", " Free some space and try again."
    elif "error sending request" in said or "Failed to fetch" in said or "dns error" in said:
        hint = " Is this machine online?"
    elif "Permission denied" in said or "Read-only file system" in said:
        hint = " Make that place writable, or name another one with UV_CACHE_DIR."
    if len(why) > 600:
        why = why[:600] + " ..."
    where = f" All of what uv said: {log}" if log else ""
    return UvError(f"{doing}: {why.rstrip('.')}.{hint}{where}", missing, why)


def _write_log(project: Project, arguments: Sequence[str | Path], said: str) -> str:
    log = project.state / "logs" / "uv.log"
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(f"uv {' '.join(map(str, arguments))}\n\n{said}", encoding="utf-8")
    except OSError:
        return ""
    return str(log.relative_to(project.folder))


def _environment(folder: Path) -> dict[str, str]:
    """The user's settings for uv stay (mirrors, cache), but not those that would aim it elsewhere."""
    keep = {name: value for name, value in index.for_uv(folder).items() if name not in _AIMS}
    keep = without_a_cache_if_need_be(keep)
    # Wrapped at the width of a terminal, its sentences could not be read.
    return {
        **keep,
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_NO_PROGRESS": "1",
        "NO_COLOR": "1",
        "COLUMNS": "10000",
    }


_AIMS = (
    "UV_SYSTEM_PYTHON",
    "UV_PYTHON",
    "UV_TARGET",
    "UV_PROJECT_ENVIRONMENT",
    "VIRTUAL_ENV",
    "UV_EMIT_INDEX_URL",
)
