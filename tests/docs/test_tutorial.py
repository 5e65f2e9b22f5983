"""The tutorial is followed, word by word, in a fresh folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, Block, blocks
from tests.template import kit

TUTORIAL = ROOT / "docs" / "tutorial" / "first-project.md"


class Reader:
    """Somebody who does what each block says: saves files, types commands, compares what is printed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        commands = folder / "commands"
        commands.mkdir()
        # uvx would download Copier; the one that is here does the same.
        uvx = commands / "uvx"
        uvx.write_text(f'#!/bin/sh\nexec "{sys.executable}" -W ignore -m "$@"\n', encoding="utf-8")
        uvx.chmod(0o755)
        self.environment = kit.environment(PATH=f"{commands}{os.pathsep}{os.environ['PATH']}")
        self.place = folder / "pwd"
        self.done = subprocess.CompletedProcess("", 0, "", "")

    def follow(self, block: Block) -> None:
        if block.language == "python":
            (self.folder / block.title).write_text(block.text, encoding="utf-8")
        elif block.language == "sh":
            self.type(block)
        elif block.title == "It prints":
            assert self.done.stdout == block.text, block.place
        elif block.title == "It prints at the end":
            there = re.sub(r"process \d+ on \S+", "process 4711 on laptop", self.done.stderr)
            said = [line for line in there.splitlines() if not line.startswith("make")]
            assert said[-len(block.text.splitlines()) :] == block.text.splitlines(), block.place
        else:
            raise AssertionError(f"{block.place}: nobody knows what to do with a block of {block.language}")

    def type(self, block: Block) -> None:
        self.done = subprocess.run(
            ["sh", "-eu", "-c", f'{block.text}\npwd > "{self.place}"'],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
        )
        told = f"{block.place}\n--- stdout\n{self.done.stdout}\n--- stderr\n{self.done.stderr}"
        assert (self.done.returncode != 0) == (block.title == "This one fails"), told
        if self.done.returncode == 0:
            self.folder = Path(self.place.read_text(encoding="utf-8").rstrip("\n"))


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    kit.copy_work_tree(tmp_path / "kubefuture")
    somebody = Reader(tmp_path)
    yield somebody
    if (somebody.folder / "Makefile").exists():
        kit.make(somebody.folder, "down", status=None)


def test_who_follows_the_tutorial_gets_what_it_promises(reader: Reader) -> None:
    followed = blocks(TUTORIAL)
    assert len(followed) > 10
    for block in followed:
        reader.follow(block)
    outputs = {path.name for path in (reader.folder / "outputs").iterdir()}
    assert {"means.csv", "means.png"} <= outputs
    assert not (reader.folder / ".kubefuture" / "connection.json").exists()
