"""Makes a virtual environment that holds exactly what a lock says. Called by bootstrap.sh.

    python -m venv ──> pip, hash-checked: uv, and nothing else ──> uv pip sync LOCK ──> VENV/installed.lock

The runtime beside this file becomes importable in it by a relative ``.pth``, so that the folder may be moved.
Nothing is imported but the standard library, and modules of the runtime that need no more: there is nothing else yet.
"""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

RUNTIME = Path(__file__).resolve().parent / "src"
sys.path.insert(0, str(RUNTIME))
try:
    from kubefuture.project.index import for_uv
    from kubefuture.project.pinned import pinned
    from kubefuture.project.uv_cache import without_a_cache_if_need_be
finally:
    sys.path.pop(0)

DISK_FULL = "the disk is full, here or where uv and pip keep their caches; free about 300 MB and try again."


class BootstrapError(Exception):
    """What went wrong, as a sentence with the next step."""


def main(lock: Path, target: Path) -> None:
    """Makes or mends the environment, unless somebody else just did."""
    if not lock.is_file():
        raise BootstrapError(f"{lock} is missing; get it back with: git checkout -- {lock}")
    target.parent.mkdir(parents=True, exist_ok=True)
    # Two commands may be started at once: the second waits here, and then finds nothing left to do.
    guard = os.open(target.parent, os.O_RDONLY)
    try:
        fcntl.flock(guard, fcntl.LOCK_EX)
        if is_current(lock, target):
            return
        print(f"Setting up {target} (once, about a minute on a slow network) ...", flush=True)
        # What was begun and not finished, on a full disk perhaps, may have half a uv; so it begins anew.
        usable = (
            (target / "installed.lock").is_file() and same_python(target) and (target / "bin" / "uv").exists()
        )
        (target / "installed.lock").unlink(missing_ok=True)
        python = target / "bin" / "python"
        if not usable:
            create(target)
            install_uv(python, lock)
        command(
            [python, "-I", "-m", "uv", "pip", "sync", "--quiet", "--require-hashes", "--python", python, lock]
        )
        link_runtime(python)
        (target / "installed.lock").write_bytes(lock.read_bytes())
    finally:
        os.close(guard)


def is_current(lock: Path, target: Path) -> bool:
    """Whether the environment is whole, made from this lock, and by this version of Python."""
    record = target / "installed.lock"
    return record.is_file() and record.read_bytes() == lock.read_bytes() and same_python(target)


def same_python(target: Path) -> bool:
    """Whether the environment can be used as it is: its Python still exists and is this version."""
    try:
        described = (target / "pyvenv.cfg").read_text(encoding="utf-8")
    except OSError:
        return False
    version = "version = {}.{}.{}".format(*sys.version_info[:3])
    return version in described.splitlines() and (target / "bin" / "python").exists()


def create(target: Path) -> None:
    """Makes the bare environment, with pip.

    Raises:
        BootstrapError: This Python or this folder cannot have one.
    """
    try:
        venv.create(target, clear=True, symlinks=True)
    except ValueError as error:
        raise BootstrapError(f"Python cannot work in a folder of this name ({error}).") from None
    command([target / "bin" / "python", "-I", "-m", "ensurepip", "--default-pip"])


def install_uv(python: Path, lock: Path) -> None:
    """Installs uv alone with pip, at the version and with the hashes that the lock names."""
    wanted = pinned(lock.read_text(encoding="utf-8"), "uv")
    if not wanted:
        raise BootstrapError(f"{lock} does not name uv, so nothing can be installed from it.")
    with tempfile.TemporaryDirectory() as folder:
        requirements = Path(folder) / "uv.txt"
        requirements.write_text(wanted, encoding="utf-8")
        options = [
            "--quiet",
            "--require-hashes",
            "--no-deps",
            "--only-binary=:all:",
            "--disable-pip-version-check",
        ]
        command([python, "-I", "-m", "pip", "install", *options, "--requirement", requirements])


def link_runtime(python: Path) -> None:
    """Makes the runtime importable, by a path relative to the environment's own folder."""
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    asked = subprocess.run([python, "-I", "-c", code], check=True, capture_output=True, text=True)
    packages = Path(asked.stdout.strip())
    packages.joinpath("kubefuture.pth").write_text(
        os.path.relpath(RUNTIME, packages.resolve()) + "\n", encoding="utf-8"
    )


def command(arguments: list[str | Path]) -> None:
    """Runs a command quietly.

    Raises:
        BootstrapError: It failed; the message ends with what it said.
    """
    # A user's pip settings must not turn this into an installation outside of the environment.
    environment = {**without_a_cache_if_need_be(for_uv(Path.cwd())), "PIP_USER": "0"}
    environment.pop("UV_SYSTEM_PYTHON", None)
    done = subprocess.run(
        arguments, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if done.returncode == 0:
        return
    said = done.stdout.decode(errors="replace")
    # pip and uv say it in their own words; the second is a number for "no space left on device".
    if "No space left" in said or "os error 28" in said:
        raise BootstrapError(DISK_FULL)
    quoted = "\n".join("    " + line for line in said.strip().splitlines()[-30:])
    raise BootstrapError(
        f"the tools could not be installed. Is this machine online? The installer said:\n{quoted}"
    )


def explain(error: OSError) -> str:
    """Says what an error of the operating system means here, and what to do."""
    where = error.filename or os.getcwd()
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"no permission to write {where}; use a copy of this folder that belongs to you."
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DISK_FULL
    return f"{error.strerror}: {where}"


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), Path(sys.argv[2]))
    except BootstrapError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: {explain(error)}")
    except KeyboardInterrupt:
        sys.exit(130)
