"""kubefuture: R's `future` for Python. The same code on one core, on this machine, on a cluster.

>>> import kubefuture as kf
>>> kf.map(abs, [-1, 2, -3])
[1, 2, 3]

The names are loaded on first use, so that importing costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .joblib_backend.hook import watch

if TYPE_CHECKING:
    from .api import aio
    from .api.caller import options
    from .api.executor import ClusterExecutor
    from .api.futures import Future, future
    from .api.info import n_free_workers, n_workers, scale
    from .api.mapping import imap, map
    from .api.named import attach, forget
    from .api.paths import path
    from .api.plan import Plan, plan
    from .api.sharing import share
    from .api.values import value
    from .core.resources import available_cores
    from .errors import KubefutureError

_HOMES = {
    "ClusterExecutor": "api.executor",
    "Future": "api.futures",
    "KubefutureError": "errors",
    "Plan": "api.plan",
    "aio": "api.aio",
    "attach": "api.named",
    "available_cores": "core.resources",
    "forget": "api.named",
    "future": "api.futures",
    "imap": "api.mapping",
    "map": "api.mapping",
    "n_free_workers": "api.info",
    "n_workers": "api.info",
    "options": "api.caller",
    "path": "api.paths",
    "plan": "api.plan",
    "scale": "api.info",
    "share": "api.sharing",
    "value": "api.values",
}

__all__ = [
    "ClusterExecutor",
    "Future",
    "KubefutureError",
    "Plan",
    "aio",
    "attach",
    "available_cores",
    "forget",
    "future",
    "imap",
    "map",
    "n_free_workers",
    "n_workers",
    "options",
    "path",
    "plan",
    "scale",
    "share",
    "value",
]

watch()


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f".{home}", __name__)
    found = globals()[name] = module if name == "aio" else getattr(module, name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
