"""The other packages, each as its users start it on one machine. They are imported only when they are measured."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec

from .contenders import WORKERS, Pool, Way, executor, standard_pool

_RAY_STORE_BYTES = 200 << 20


@dataclass(frozen=True)
class Peer:
    """Somebody to compare with.

    Attributes:
        name: For the report.
        package: What is imported.
        way: Brings its pool up.
    """

    name: str
    package: str
    way: Way

    @property
    def why_missing(self) -> str:
        """Why it cannot be measured; empty when it can."""
        return "" if find_spec(self.package) else "not installed; `make bench PEERS=1` installs it"


@contextmanager
def loky() -> Iterator[Pool]:
    """The reusable executor of loky."""
    from loky import get_reusable_executor

    executor = get_reusable_executor(max_workers=WORKERS)
    yield Pool(executor.submit, lambda function, elements: list(executor.map(function, elements)))
    executor.shutdown(kill_workers=True)


@contextmanager
def mpire() -> Iterator[Pool]:
    """The pool of mpire, which forms chunks by itself."""
    from mpire import WorkerPool

    with WorkerPool(n_jobs=WORKERS) as pool:
        yield Pool(
            lambda function, argument: pool.apply_async(function, (argument,)),
            pool.map,
            lambda handles: [handle.get() for handle in handles],
        )


@contextmanager
def ray() -> Iterator[Pool]:
    """Ray's tasks, and its stand-in for multiprocessing.Pool, which forms chunks by itself."""
    import ray
    from ray.util.multiprocessing import Pool as RayPool

    ray.init(
        num_cpus=WORKERS, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR,
        object_store_memory=_RAY_STORE_BYTES, configure_logging=False,
    )  # fmt: skip
    remote = cache(ray.remote)
    pool = cache(lambda: RayPool(WORKERS))  # only when it is used: its actors would take the tasks' workers
    yield Pool(
        lambda function, argument: remote(function).remote(argument),
        lambda function, elements: ray.get([remote(function).remote(element) for element in elements]),
        ray.get,
        lambda function, elements: pool().map(function, elements),
    )
    ray.shutdown()


@contextmanager
def dask() -> Iterator[Pool]:
    """Dask distributed's futures, and its bags, which form chunks by themselves."""
    import dask.bag
    from distributed import Client

    with Client(n_workers=WORKERS, threads_per_worker=1, dashboard_address=None) as client:
        yield Pool(
            lambda function, argument: client.submit(function, argument, pure=False),
            lambda function, elements: client.gather(client.map(function, elements, pure=False)),
            client.gather,
            lambda function, elements: (
                dask.bag.from_sequence(elements).map(function).compute(scheduler=client)
            ),
        )


@contextmanager
def ipyparallel() -> Iterator[Pool]:
    """The balanced view of ipyparallel, and its direct view, which gives each engine one part."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["IPYTHONDIR"] = folder
        from ipyparallel import Cluster

        with Cluster(n=WORKERS, log_level=logging.ERROR) as client:
            balanced = client.load_balanced_view()
            yield Pool(
                balanced.apply_async,
                balanced.map_sync,
                lambda handles: [handle.get() for handle in handles],
                client[:].map_sync,
            )


EXECUTOR = Peer("ProcessPoolExecutor", "concurrent.futures", executor)
POOL = Peer("multiprocessing.Pool", "multiprocessing", standard_pool)
LOKY = Peer("loky", "loky", loky)
MPIRE = Peer("mpire", "mpire", mpire)
RAY = Peer("Ray", "ray", ray)
DASK = Peer("Dask", "distributed", dask)
IPYPARALLEL = Peer("ipyparallel", "ipyparallel", ipyparallel)

OTHERS = (LOKY, MPIRE, RAY, DASK, IPYPARALLEL)
"""Those that are no part of Python."""
