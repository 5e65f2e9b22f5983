"""A program of ours never outlives the one that started it, even if that is killed (R1)."""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import threading

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """Asks the kernel to kill this process when the thread that started it ends; elsewhere a thread watches.

    Args:
        parent: The starter's process id, compared since it may have died already.
    """
    if platform.system() == "Linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)
        return

    def watch() -> None:
        pause = threading.Event()
        while os.getppid() == parent:
            pause.wait(1.0)
        os._exit(1)

    threading.Thread(target=watch, name="kubefuture-parent", daemon=True).start()
