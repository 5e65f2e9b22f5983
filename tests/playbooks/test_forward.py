"""`forward` on this machine: the page at an address for browsers, for as long as it runs."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.error import URLError

import pytest
from kubefuture.keeper import life
from kubefuture.keeper.places import Places
from kubefuture.project.folder import Project

from tests.faults import ports
from tests.project import kit


@contextmanager
def forward(project: Project, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Runs it; yields the process and the address that it names."""
    command = [sys.executable, "-I", "-m", "kubefuture", "forward", *arguments]
    with subprocess.Popen(
        command,
        cwd=project.folder,
        env=kit.clean_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            said = process.stdout.readline()
            assert " shows the workers" in said, said
            yield process, said.split()[0]
        finally:
            process.kill()


def answers(address: str, path: str = "") -> bool:
    try:
        with urllib.request.urlopen(address + path, timeout=10) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


def scheduler_of(study: Project) -> int:
    status = kit.kubefuture(study, "status").stdout
    return int(status.partition("scheduler is process ")[2].split()[0])


def test_it_leads_to_the_page_until_ctrl_c_and_heals_itself(study):
    kit.kubefuture(study, "up")
    with forward(study) as (process, address):
        kit.wait_until(lambda: answers(address, "status.json"), "the page answers")
        assert address in kit.kubefuture(study, "status").stdout
        again = kit.kubefuture(study, "forward").stdout
        assert "runs already" in again and address in again

        scheduler, keeper = scheduler_of(study), life.holder(Places.of(study).life)
        # Stopped, the keeper starts no other scheduler before it was noticed that this one is gone.
        os.kill(keeper, signal.SIGSTOP)
        os.kill(scheduler, signal.SIGKILL)
        kit.wait_until(lambda: not answers(address), "the scheduler is gone")
        assert any("It is tried again and again." in line for line in process.stdout)
        os.kill(keeper, signal.SIGCONT)
        kit.wait_until(lambda: answers(address), "the page is back at the same address")

        process.send_signal(signal.SIGINT)
        said = process.stdout.read()
        assert process.wait(300) == 0
        assert said.endswith("Closed.\n") and "open again" in said
    assert address not in kit.kubefuture(study, "status").stdout


def test_make_down_ends_it(study):
    kit.kubefuture(study, "up")
    with forward(study) as (process, address):
        kit.wait_until(lambda: answers(address), "the page answers")
        assert "Nothing is left" in kit.kubefuture(study, "down").stdout
        assert process.wait(300) == 0
        assert "`make down` has ended" in process.stdout.read()


def test_a_port_that_is_taken_is_said_and_another_one_is_found_where_none_was_asked_for(study):
    kit.kubefuture(study, "up")
    with ports.listener() as taken:
        port = taken.getsockname()[1]
        sentence = kit.one_sentence(kit.kubefuture(study, "forward", "--port", str(port), status=1))
        assert f"Port {port} of this machine is used by another program" in sentence and "PORT=" in sentence
    with forward(study, "--port", str(port)) as (_, address):
        assert address == f"http://127.0.0.1:{port}/"
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", 8080))
            taken.listen()
        except OSError:
            pass  # somebody else has it, which is as good
        with forward(study) as (_, address):
            assert address != "http://127.0.0.1:8080/"


@pytest.mark.parametrize("port", ["x", "0", "65536", "-1"])
def test_a_port_that_is_none_is_refused(study, port):
    assert "PORT is" in kit.one_sentence(kit.kubefuture(study, "forward", f"--port={port}", status=1))


def test_before_up_it_says_so(study):
    assert "make up" in kit.one_sentence(kit.kubefuture(study, "forward", status=1))
