"""How fast does a large array that a map captured reach 4 slots of one worker, and how much memory do they need for it?

On one machine the slots map the client's copy, and nothing goes over a connection; the measure is one pass of SHA-256
over the same bytes. Over TLS, as from another machine, all of it goes over two connections, from the client to the
scheduler and from there to the worker, and is hashed and written at each; the measure is a bare asyncio TLS stream
between two processes. The copy, the hashing and the results of the map count, each time for an array that is new.
"""

from __future__ import annotations

import asyncio
import hashlib
import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import kubefuture as kf
import numpy as np
from kubefuture.core import blobs
from kubefuture.core.certificate import SERVER_NAME, client_context, make_certificate, server_context

from tests.faults.programs import Cluster
from tests.faults.tls import TlsCluster, write_pair
from tests.faults.wire import Wire

from .contenders import Contender, Pool, cluster
from .measurement import Row

SLOTS = 4
BAR = 0.6
MEMORY_BAR = 1.3
LINK_BAR = 1.05
_ELEMENTS = 40
_CHUNK = 1 << 20
_PATIENCE = 60.0

_array: Any = None


def rows(quick: bool) -> list[Row]:
    """Measures it."""
    megabytes, rounds = (100, 2) if quick else (1000, 7)
    return [*_near(megabytes, rounds), *_over_tls(megabytes, rounds), *_links(100)]


def near(_pool: Pool, megabytes: int) -> float:
    """Seconds of one SHA-256 pass, in units of the map's."""
    array = _fresh(megabytes)
    started = time.perf_counter()
    hashlib.sha256(memoryview(array).cast("B")).digest()
    hashed = time.perf_counter() - started
    return hashed / _map(array)


def over_tls(_pool: Pool, megabytes: int) -> float:
    """Seconds of a bare TLS stream, in units of the map's."""
    array = _fresh(megabytes)
    return _bare_stream(memoryview(array).cast("B")) / _map(array)


def memory(_pool: Pool, megabytes: int) -> float:
    """The proportional memory of all slots while each has read the whole array, in units of the array."""
    array = _fresh(megabytes)
    with tempfile.TemporaryDirectory() as folder:

        def need(index: int) -> int:
            array.sum()
            Path(folder, str(index)).touch()
            until = time.monotonic() + _PATIENCE
            while len(os.listdir(folder)) < SLOTS and time.monotonic() < until:
                time.sleep(0.01)
            return _proportional_kib()

        return sum(kf.map(need, range(SLOTS), chunk_size=1, progress=False)) * 1024 / array.nbytes


def _near(megabytes: int, rounds: int) -> list[Row]:
    with Cluster(SLOTS) as daemon:
        measured = _turns(cluster, near, str(daemon.connection), megabytes, rounds)
        needed = _turns(cluster, memory, str(daemon.connection), megabytes, 1)
    what = f"{megabytes:,} MB captured by a map on {SLOTS} slots"
    return [
        Row(f"{what}, through the daemon", "", "one pass of SHA-256", measured, BAR, at_least=True),
        Row(f"{what}, memory of the slots in arrays", "", "", needed, MEMORY_BAR),
    ]


def _over_tls(megabytes: int, rounds: int) -> list[Row]:
    daemon = TlsCluster(SLOTS)
    try:
        daemon.start()
        measured = _turns(from_afar, over_tls, str(daemon.connection), megabytes, rounds)
    finally:
        daemon.close()
    what = f"{megabytes:,} MB captured by a map on {SLOTS} slots, over TLS, as from another machine"
    return [Row(what, "", "a bare TLS stream", measured, BAR, at_least=True)]


def _links(megabytes: int) -> list[Row]:
    """How many bytes each connection carries, in units of the array: for 4 slots and 3 maps of one array."""
    found: list[Row] = []
    for place, way in {"on one machine": cluster, "as from another machine": from_afar}.items():
        daemon = Cluster(SLOTS)
        with tempfile.TemporaryDirectory() as folder, ExitStack() as ending:
            ending.callback(daemon.close)
            daemon.start_scheduler()
            to_client = ending.enter_context(Wire(daemon.connection))
            to_worker = ending.enter_context(Wire(daemon.connection, Path(folder)))
            daemon.connection = to_worker.connection
            daemon.start_worker()
            _turns(way, three_maps, str(to_client.connection), megabytes, 1, warm_up=0)
        carried = {
            "client to scheduler": to_client.bytes_to_scheduler,
            "scheduler to worker": to_worker.bytes_from_scheduler,
        }
        for link, count in carried.items():
            arrays = count / (megabytes * 1_000_000)
            found.append(
                Row(f"3 maps of one array, arrays sent from {link}, {place}", "", "", [arrays], LINK_BAR)
            )
    return found


def three_maps(_pool: Pool, megabytes: int) -> float:
    """Three maps of the same array."""
    array = _fresh(megabytes)
    return sum(_map(array) for _ in range(3))


@contextmanager
def from_afar(connection: str) -> Iterator[Pool]:
    """plan("cluster") in a program that does not say which machine it is on, so that its data has to be sent."""
    blobs.this_machine = str  # type: ignore[assignment]
    with cluster(connection) as pool:
        yield pool


def _turns(
    way: Any, turn: Any, connection: str, megabytes: int, rounds: int, *, warm_up: int = 10
) -> list[float]:
    contender = Contender(way, turn, connection, warm_up=warm_up)
    try:
        return [contender.take_turn(megabytes) for _ in range(rounds)]
    finally:
        contender.close()


def _fresh(megabytes: int) -> Any:
    """An array that has not been sent before."""
    global _array
    if _array is None or _array.nbytes != megabytes * 1_000_000:
        _array = np.random.default_rng(1).standard_normal(megabytes * 125_000)
    _array[:: _CHUNK // 8] += 1.0
    return _array


def _map(array: Any) -> float:
    """Seconds of a map that captures it."""
    step = len(array) // _ELEMENTS
    started = time.perf_counter()
    found = kf.map(lambda index: float(array[index * step]), range(_ELEMENTS), progress=False)
    seconds = time.perf_counter() - started
    if found != [float(array[index * step]) for index in range(_ELEMENTS)]:
        raise AssertionError("the results are wrong")
    return seconds


def _proportional_kib() -> int:
    with open("/proc/self/smaps_rollup", encoding="ascii") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def _bare_stream(content: memoryview) -> float:
    """Seconds until another process has all of it, by asyncio's streams over TLS."""
    certificate, key = make_certificate()
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    with tempfile.TemporaryDirectory() as folder:
        pair = write_pair(Path(folder), certificate, key)
        receiver = context.Process(target=_receive, args=(theirs, pair, len(content)))
        receiver.start()
        try:
            return asyncio.run(_send(content, certificate, ours.recv()))
        finally:
            receiver.join()


async def _send(content: memoryview, certificate: str, port: int) -> float:
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=client_context(certificate), server_hostname=SERVER_NAME
    )
    started = time.perf_counter()
    for start in range(0, len(content), _CHUNK):
        writer.write(content[start : start + _CHUNK])
        await writer.drain()
    await reader.readexactly(1)
    seconds = time.perf_counter() - started
    writer.close()
    return seconds


def _receive(pipe: Any, pair: tuple[Path, Path], size: int) -> None:
    async def serve() -> None:
        over = asyncio.Event()

        async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            received = 0
            while received < size:
                received += len(await reader.read(_CHUNK))
            writer.write(b"!")
            await writer.drain()
            await reader.read()
            over.set()

        server = await asyncio.start_server(take, "127.0.0.1", 0, ssl=server_context(*pair), limit=_CHUNK)
        pipe.send(server.sockets[0].getsockname()[1])
        await over.wait()

    asyncio.run(serve())
