"""Makes what scheduler and workers run in from the project's lock, where there is nothing but Python and pip.

    pip, hash-checked: uv ──> python -m venv INTO ──> uv pip sync requirements.lock ──> INTO/kubefuture-lock.sha256

Runs while an image is built, where FROM is a folder; and in each pod before its program starts if there is no image,
where FROM is an archive that holds the runtime as well. It stands alone, since nothing else is there yet.
"""

from __future__ import annotations

import argparse
import compileall
import hashlib
import json
import os
import re
import select
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
from pathlib import Path

STAMP = "kubefuture-lock.sha256"
RUNTIME = "runtime"

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
"""What Linux calls them, and what Kubernetes does."""

_AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
"""Whom Debian trusts."""

_BROKEN = re.compile(
    r"connection broken by .*?(Connection refused|Temporary failure in name resolution|Name or service not known"
    r"|Network is unreachable|No route to host|Connection to \S+ timed out|Read timed out"
    r"|certificate verify failed[^(']*)"
)
"""Why pip tries again, without the chain of errors around it."""

_RESOLVED = re.compile(r"^Resolved (\d+) packages? in ", re.MULTILINE)


def main() -> int:
    """Checks the base image and installs everything; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", required=True, metavar="X.Y", help="the version that the project has")
    parser.add_argument("--architecture", default="", help="what the nodes have, as Kubernetes calls it")
    parser.add_argument(
        "--from", dest="source", type=Path, metavar="FROM", help="a folder or .tar.xz; none: only check"
    )
    parser.add_argument("--into", type=Path, help="the environment to make")
    parser.add_argument("--settings", type=Path, metavar="FOLDER", help="holds index and certificates")
    options = parser.parse_args()
    wrong = _wrong(options.python, options.architecture)
    if wrong or options.source is None:
        return _say(wrong or "the base image fits")
    with tempfile.TemporaryDirectory() as folder:
        source = options.source
        if source.is_file():
            source = _unpacked(source, Path(folder, "source"))
        digest = hashlib.sha256((source / "requirements.lock").read_bytes()).hexdigest()
        # A pod whose containers are all started anew still has it.
        if _is_whole(options.into, digest):
            return _say("the packages are there")
        return _install(source, options.into, digest, _settings(options.settings, Path(folder)), Path(folder))


def _wrong(python: str, architecture: str) -> str:
    """What of the base image does not fit, or an empty string."""
    here, machine = f"{sys.version_info[0]}.{sys.version_info[1]}", os.uname().machine
    if here != python:
        return f"error: the base image has the wrong Python: {here}, and the project has {python}"
    if architecture and _ARCHITECTURES.get(machine, machine) != architecture:
        return f"error: the base image is for {machine}, and the cluster's nodes are {architecture}"
    return ""


def _unpacked(archive: Path, into: Path) -> Path:
    with tarfile.open(archive) as file:
        # Where Python knows filters, it warns of none; the archive is the project's own.
        if hasattr(tarfile, "data_filter"):
            file.extractall(into, filter="data")
        else:
            file.extractall(into)
    return into


def _install(source: Path, into: Path, digest: str, settings: dict[str, str], folder: Path) -> int:
    (into / STAMP).unlink(missing_ok=True)
    cache = into / "cache"
    environment = {**os.environ, **settings, "UV_CACHE_DIR": str(cache), "UV_PYTHON_DOWNLOADS": "never"}
    environment |= {
        "UV_NO_PROGRESS": "1",
        "NO_COLOR": "1",
        "COLUMNS": "10000",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    environment.setdefault("PIP_DEFAULT_TIMEOUT", "10")
    environment.setdefault("PIP_RETRIES", "3")
    wrong = _fetch_uv(source, folder / "tools", environment)
    if wrong:
        return _say(wrong)
    venv.create(into, symlinks=True, with_pip=False)
    python = into / "bin" / "python"
    sync = [str(folder / "tools" / "bin" / "uv"), "pip", "sync", "--require-hashes", "--compile-bytecode"]
    code = _follow([*sync, f"--python={python}", str(source / "requirements.lock")], environment, into)
    if code:
        return code
    shutil.rmtree(cache, ignore_errors=True)
    packages = next((into / "lib").glob("python*")) / "site-packages"
    (packages / "kubefuture.pth").write_text(f"{into / RUNTIME}\n", encoding="utf-8")
    if (source / RUNTIME).is_dir():
        shutil.rmtree(into / RUNTIME, ignore_errors=True)
        shutil.copytree(source / RUNTIME / "src", into / RUNTIME)
        compileall.compile_dir(str(into / RUNTIME), quiet=1)
    (into / STAMP).write_text(digest + "\n", encoding="utf-8")
    return _say("the packages are installed")


def _fetch_uv(source: Path, into: Path, environment: dict[str, str]) -> str:
    """Has pip install uv; returns what went wrong, or an empty string."""
    _say("fetching uv")
    pip = [sys.executable, "-I", "-m", "pip", "install", "--no-cache-dir", "--require-hashes", "--no-deps"]
    pip += ["--quiet", "--only-binary=:all:", "--root-user-action=ignore", f"--target={into}"]
    pip += [f"--requirement={source / 'uv.lock'}"]
    done = subprocess.run(pip, env=environment, capture_output=True, check=False)
    if not done.returncode:
        return ""
    said = done.stderr.decode(errors="replace").strip()
    print(said, flush=True)
    broken = _BROKEN.search(said)
    if broken:
        return f"error: the package index cannot be reached: {broken[1].strip()}"
    if "(from versions: none)" in said:
        return "error: the package index does not have uv, or cannot be reached"
    return f"error: uv cannot be installed: {(said.splitlines() or ['pip gave no reason'])[-1].removeprefix('ERROR: ')}"


def _follow(command: list[str], environment: dict[str, str], into: Path) -> int:
    """Runs uv, hands on what it says, and says how far it is."""
    said, shown = "", ""
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        assert process.stdout is not None
        while True:
            if select.select([process.stdout], [], [], 0.5)[0]:
                piece = os.read(process.stdout.fileno(), 65536)
                if not piece:
                    break
                said += piece.decode(errors="replace")
            progress = _progress(said, into)
            if progress != shown:
                shown = progress
                _say(progress)
    if process.returncode:
        # Last, so that it is what a pod leaves as its last words.
        print("\n".join(said.strip().splitlines()[-30:]), flush=True)
    return process.returncode


def _progress(said: str, into: Path) -> str:
    found = _RESOLVED.search(said)
    if not found:
        return "looking at the package index"
    # Each package is unpacked into uv's cache, and then linked to its place.
    fetched = sum(1 for _ in into.glob("cache/archive-v*/*/*.dist-info"))
    there = sum(1 for _ in into.glob("lib/python*/site-packages/*.dist-info"))
    total = int(found[1])
    if there >= total:
        return "compiling the packages"
    return f"installing packages: {min(total, max(fetched, there))} of {total}"


def _settings(given: Path, folder: Path) -> dict[str, str]:
    """How the package index is reached: environment variables for pip and uv."""
    index, certificates = given / "index", given / "certificates"
    settings = json.loads(index.read_text(encoding="utf-8")) if index.is_file() else {}
    own = certificates.read_bytes() if certificates.is_file() else b""
    if own:
        # Beside those that are trusted here already, since uv and pip take one file.
        usual = Path(os.environ.get("SSL_CERT_FILE") or _AUTHORITIES)
        bundle = folder / "certificates.pem"
        bundle.write_bytes((usual.read_bytes() if usual.is_file() else b"") + b"\n" + own)
        settings |= {"SSL_CERT_FILE": str(bundle), "PIP_CERT": str(bundle)}
    return {str(name): str(value) for name, value in settings.items()}


def _is_whole(into: Path, digest: str) -> bool:
    try:
        return (into / STAMP).read_text(encoding="utf-8").strip() == digest
    except OSError:
        return False


def _say(words: str) -> int:
    """Prints a line; returns the exit code that goes with it."""
    print(words, flush=True)
    return 1 if words.startswith("error:") else 0


if __name__ == "__main__":
    sys.exit(main())
