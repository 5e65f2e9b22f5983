"""The demo: scaffolds build/demo, then its own make up, make run and make down; says where time went.

Run by ``make demo`` in the environment of tools.lock. Arguments that are not its own go to the analysis.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import signal
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
    parser.add_argument("--started", type=float, default=time.time(), help="when set-up began, Unix seconds")
    options, analysis_arguments = parser.parse_known_args()
    times = {"setup": time.time() - options.started}

    # Ended from outside, it still has to take down what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    status = 0
    try:
        status = timed(times, "scaffold", scaffold) or timed(times, "up", lambda: make("up"))
        if not status:
            status = timed(times, "run", lambda: make("run", f"ARGS={shlex.join(analysis_arguments)}"))
    except KeyboardInterrupt:
        status = 128 + signal.SIGINT
    finally:
        # Whatever happened before, nothing may be left running; what failed first stays the answer.
        if (DEMO / "Makefile").exists():
            down = timed(times, "down", lambda: make("down"))
            status = status or down
        print(
            "\nWhere the time went: "
            + ", ".join(f"{step} {seconds:.1f} s" for step, seconds in times.items())
        )
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
    # HEAD, because Copier would take the last tag; what is not committed yet, it adds by itself.
    copier = [sys.executable, "-I", "-W", "ignore", "-m", "copier", "copy", "--quiet", "--defaults"]
    return subprocess.run(
        [*copier, "--vcs-ref", "HEAD", str(ROOT), str(DEMO)], stdin=subprocess.DEVNULL
    ).returncode


def make(*arguments: str) -> int:
    """Runs make in the demo's folder, as its user would."""
    passed_on_by_make = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "ARGS")
    environment = {name: value for name, value in os.environ.items() if name not in passed_on_by_make}
    print(f"$ make {shlex.join(arguments)}", flush=True)
    command = ["make", "--no-print-directory", "-C", str(DEMO), *arguments]
    return subprocess.run(command, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())
