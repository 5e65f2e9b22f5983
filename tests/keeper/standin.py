"""A small program in the place of scheduler or worker: it speaks the keeper's two pipes, and behaves as told.

standin.py BEHAVIOUR FOLDER --ready-fd N --lifeline-fd M
"""

from __future__ import annotations

import argparse
import os
import select
import signal
import sys
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("behaviour")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--ready-fd", type=int)
    parser.add_argument("--lifeline-fd", type=int)
    options = parser.parse_args()
    # One file a start, named by its process, so that tests can see who lives and who lived.
    options.folder.mkdir(parents=True, exist_ok=True)
    (options.folder / str(os.getpid())).write_text(os.environ.get("GREETING", ""))

    behaviour = options.behaviour
    if behaviour == "crash":
        raise RuntimeError("the disk is made of cheese")
    if behaviour == "silent":
        os._exit(7)
    if behaviour == "refuse":
        os.write(options.ready_fd, b"error The port is taken by process 1.\n")
        sys.exit(1)
    if behaviour == "crash-once-up" and len(list(options.folder.iterdir())) > 1:
        raise RuntimeError("never again")
    if behaviour == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    if behaviour == "parent" and os.fork() == 0:
        # A child that outlives its parent and does not hold the lifeline.
        os.close(options.lifeline_fd)
        os.close(options.ready_fd)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            signal.pause()
    if behaviour != "hang":
        os.write(options.ready_fd, b"ready\n")
    os.close(options.ready_fd)
    # Readable only when the keeper's end is gone.
    select.select([options.lifeline_fd], [], [])


if __name__ == "__main__":
    main()
