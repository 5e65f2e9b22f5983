"""What each way to run can do beyond what all of them do. The suite claims both: that it is so, and that it is not.

docs/reference/backends.md is made from this.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum


class Capability(Enum):
    """Something that not every way to run can do; the value is how people are told."""

    WORKERS = "elements run in other processes, several at a time"
    NAMES = "maps with a name are kept, and outlive the program"
    SCALE = "`kf.scale` changes the number of workers"
    DRAIN = "workers that are too many finish what they run before they go"
    STOP = "an element that runs is stopped when it is cancelled"
    LIMIT = "an element that runs longer than `task_timeout=` is stopped; otherwise it fails when it is done"
    STRIKES = (
        "an element that ends its worker is known at once, and the report has the last that it printed, warned and "
        "logged; otherwise that is lost"
    )
    LIVE = '`output="live"` shows what elements print while they run; otherwise when they are done'
    CHILDREN = (
        "what C code and programs that an element starts print arrives as well, not only what Python does"
    )
    SEVERAL = "several programs share the workers, fairly"
    AGAIN = "work that was under way goes on after a restart of the scheduler"
    ONCE = "large data goes once to each worker, in one copy for all of its slots"


_OWN = frozenset(Capability) - {Capability.NAMES, Capability.SEVERAL, Capability.AGAIN}

CAPABILITIES: Mapping[str, frozenset[Capability]] = {
    "sequential": frozenset(),
    "local": _OWN,
    "cluster": frozenset(Capability),
    "dask": frozenset({Capability.WORKERS, Capability.SCALE}),
}
"""By the kind of plan. A Dask cluster that kubefuture did not start is scaled by its own means."""
