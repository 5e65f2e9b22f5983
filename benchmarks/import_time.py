"""How long does the import take, beside NumPy's? In fresh processes, without Python's own start."""

from __future__ import annotations

import statistics
import subprocess
import sys
from functools import partial

from .measurement import Row, in_turns, ratios
from .peers import OTHERS

BAR = 1.3
MAP = "kubefuture; kubefuture.map"
"""Most of the package is imported when it is first used."""

_TIMED = "import time; t = time.perf_counter(); import {package}; print(time.perf_counter() - t)"


def seconds(package: str) -> float:
    """One import."""
    command = [sys.executable, "-c", _TIMED.format(package=package)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def rows(quick: bool) -> list[Row]:
    """Measures it."""
    here = [peer for peer in OTHERS if not peer.why_missing]
    packages = ["numpy", "kubefuture", MAP, *(peer.package for peer in here)]
    measured = in_turns({name: partial(seconds, name) for name in packages}, 3 if quick else 15)
    ours, first_use, numpy = measured["kubefuture"], measured[MAP], measured["numpy"]
    found = [
        Row("import", _text(ours), f"numpy {_text(numpy)}", ratios(ours, numpy), BAR),
        Row("import and kf.map", _text(first_use), f"numpy {_text(numpy)}", ratios(first_use, numpy)),
    ]
    for peer in OTHERS:
        if peer.why_missing:
            found.append(Row("import", "", peer.name, [], note=peer.why_missing))
        else:
            theirs = measured[peer.package]
            found.append(Row("import", _text(ours), f"{peer.name} {_text(theirs)}", ratios(ours, theirs)))
    return found


def _text(measured: list[float]) -> str:
    return f"{statistics.median(measured) * 1e3:,.0f} ms"
