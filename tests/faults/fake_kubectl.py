"""A kubectl that knows nothing but `port-forward`, and takes no flag that the real one has not.

It leads to the address in FAKE_KUBECTL_TARGET, `HOST:PORT`. Where FAKE_KUBECTL_ERROR is set it says that and fails.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import shutil
import socket
import sys
from contextlib import suppress
from pathlib import Path


def put(folder: Path) -> Path:
    """Makes a command `kubectl` of this file; returns its folder, for PATH."""
    folder.mkdir(exist_ok=True)
    program = shutil.copy(__file__, folder)  # so that its processes can be told from those of other tests
    command = folder / "kubectl"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "{program}" "$@"\n')
    command.chmod(0o755)
    return folder


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while piece := await reader.read(1 << 16):
            writer.write(piece)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def _connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    host, _, port = os.environ["FAKE_KUBECTL_TARGET"].rpartition(":")
    try:
        far_reader, far_writer = await asyncio.open_connection(host, int(port))
    except OSError:
        print(
            "E0000 an error occurred forwarding; error: lost connection to pod", file=sys.stderr, flush=True
        )
        os._exit(1)
    await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))


def _free_port() -> int:
    """One that stays free while no forward is open; the kernel gives none of these to who asks for any."""
    for port in random.sample(range(16384, 32768), 100):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    sys.exit("error: unable to listen on any of the requested ports: [{0 7000}]")


async def _serve(port: int) -> None:
    try:
        server = await asyncio.start_server(_connected, "127.0.0.1", port)
    except OSError:
        sys.exit(f"error: unable to listen on any of the requested ports: [{{{port} 7000}}]")
    print(f"Forwarding from 127.0.0.1:{server.sockets[0].getsockname()[1]} -> 7000", flush=True)
    await server.serve_forever()


def main() -> None:
    """Does what its arguments say."""
    parser = argparse.ArgumentParser(prog="kubectl", allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--context", required=True)
    parser.add_argument("--namespace", required=True)
    parser.add_argument("command", choices=["port-forward"])
    parser.add_argument("--address", choices=["127.0.0.1"], required=True)
    parser.add_argument("--pod-running-timeout", required=True)
    parser.add_argument("target")
    parser.add_argument("ports")
    options = parser.parse_args()
    if error := os.environ.get("FAKE_KUBECTL_ERROR"):
        sys.exit(error)
    kind, _, name = options.target.partition("/")
    near, colon, far = options.ports.partition(":")
    assert kind in ("service", "deployment") and name
    assert colon and far.isdigit() and (near.isdigit() or not near)
    asyncio.run(_serve(int(near or _free_port())))


if __name__ == "__main__":
    main()
