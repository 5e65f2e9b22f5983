"""How long until the first result: from a bare clone, and from `make up` once the environment exists?

What pip and uv have in their caches they do not download again; a machine without them takes longer.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from .measurement import Row

ROOT = Path(__file__).resolve().parents[1]
FIRST = "import kubefuture as kf\nprint('first result:', kf.future(max, 1, 2).result())\n"
SMALL = "ARGS=--elements 8 --draws 100000"


def rows(quick: bool) -> list[Row]:
    """Measures both in a clone of the last commit."""
    folder = Path(tempfile.mkdtemp(prefix="kubefuture-bench-"))
    try:
        clone, split = _clone_and_demo(folder)
        project = folder / "kubefuture" / "build" / "demo"
        (project / "first.py").write_text(FIRST)
        starts = [_up_to_first_result(project) for _ in range(2 if quick else 5)]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return [
        Row("make up to the first result", "", "", starts, 5.0, unit=" s"),
        Row("bare clone to the demo's first result", "", "", [clone], 60.0, unit=" s", note=split),
    ]


def _clone_and_demo(folder: Path) -> tuple[float, str]:
    """The seconds until the demo's results were there, and the split, `make down` included."""
    started = time.perf_counter()
    run(["git", "clone", "--quiet", str(ROOT), "kubefuture"], folder)
    cloned = time.perf_counter() - started
    output = run(["make", "demo", SMALL], folder / "kubefuture")
    total = time.perf_counter() - started
    found = re.search(r"Where the time went: (.*)", output)
    down = re.search(r"down ([0-9.]+) s", output)
    if found is None or down is None:
        raise RuntimeError(f"make demo did not say where the time went:\n{output}")
    return total - float(down[1]), f"clone {cloned:.1f} s, {found[1]}"


def _up_to_first_result(project: Path) -> float:
    started = time.perf_counter()
    run(["make", "up"], project)
    run(["make", "run", "SCRIPT=first.py"], project)
    seconds = time.perf_counter() - started
    run(["make", "down"], project)
    return seconds


def run(command: list[str], folder: Path) -> str:
    """A command as a user types it, without what `make bench` has put into the environment."""
    made_by_make = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "ARGS", "PYTHONPATH")
    environment = {name: text for name, text in os.environ.items() if name not in made_by_make}
    done = subprocess.run(command, cwd=folder, env=environment, text=True, capture_output=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}\n{done.stderr}")
    return done.stdout
