"""The demo: scaffolds build/demo, then its own make up, make run and make down; says where time went.

Run by ``make demo`` in the environment of tools.lock. Arguments that are not its own go to the analysis.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DEMO = ROOT / "build" / "demo"


def main() -> int:
    """Runs the demo.

    Returns:
        The exit status of the first step that failed, else 0.
    """
    parser = argparse.ArgumentParser(prog="make demo", allow_abbrev=False)
    parser.add_argument(
        "--started", type=float, default=time.time(), help="when set-up began, in Unix seconds"
    )
    options, analysis_arguments = parser.parse_known_args()
    times = {"setup": time.time() - options.started}

    status = 0
    try:
        status = timed(times, "scaffold", scaffold)
        status = status or timed(times, "up", lambda: make("up"))
        if not status:
            status = timed(times, "run", lambda: make("run", f"ARGS={shlex.join(analysis_arguments)}"))
    finally:
        # Whatever happened before, nothing may be left running; what failed first stays the answer.
        if (DEMO / "Makefile").exists():
            down = timed(times, "down", lambda: make("down"))
            status = status or down
    print("\nTime: " + ", ".join(f"{step} {seconds:.1f} s" for step, seconds in times.items()))
    if not status:
        print(f"The project is in {DEMO.relative_to(ROOT)}; its results are in outputs/ there.")
    return status


def timed(times: dict[str, float], step: str, action: Callable[[], int]) -> int:
    """Runs one step under a heading and notes how long it took."""
    print(f"\n== {step} ==", flush=True)
    started = time.perf_counter()
    try:
        return action()
    finally:
        times[step] = time.perf_counter() - started


def scaffold() -> int:
    """Replaces build/demo by a new project, after taking down what the old one may still run."""
    if (DEMO / ".kubefuture" / "deployed").is_dir():
        status = make("down")
        if status:
            return status
    if DEMO.exists():
        shutil.rmtree(DEMO)
    # HEAD, because Copier would take the last tag; it adds what is not committed yet by itself.
    arguments = ["copy", "--quiet", "--defaults", "--vcs-ref", "HEAD", str(ROOT), str(DEMO)]
    # A full path in the answers would tie the demo to this machine's folders, and nothing updates a demo.
    done = subprocess.run(
        [sys.executable, "-I", "-W", "ignore", "-m", "copier", *arguments], stdin=subprocess.DEVNULL
    )
    return done.returncode


def make(*arguments: str) -> int:
    """Runs make in the demo's folder, as its user would."""
    environment = {
        name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    }
    print(f"$ make {shlex.join(arguments)}", flush=True)
    return subprocess.run(
        ["make", "--no-print-directory", "-C", DEMO, *arguments], env=environment
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
