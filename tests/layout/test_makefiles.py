"""Both Makefiles explain themselves, and keep to what GNU make 3.81 (macOS) understands."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MAKEFILES = ["Makefile", "template/Makefile"]
TARGETS = {
    "Makefile": "setup test test-kubernetes acceptance lint docs bench soak demo lock clean help",
    "template/Makefile": (
        "doctor up run status scale down lock logs trace shell forward rotate update test lint hooks clean help"
    ),
}
# Each came with 3.82 or later.
NEWER = [
    r"\.ONESHELL",
    r"\.SHELLFLAGS",
    r"::=",
    r"!=",
    r"\$\(file ",
    r"^private ",
    r"^undefine ",
    r"^define .*=",
    r"&:",
]


def test_nothing_asks_for_a_newer_make():
    for name in MAKEFILES:
        for construct in NEWER:
            assert not re.search(construct, (ROOT / name).read_text(), re.MULTILINE), (name, construct)


@pytest.mark.parametrize("name", MAKEFILES)
def test_help_is_the_default_goal_and_lists_every_target(name):
    command = ["make", "--no-print-directory", "-C", (ROOT / name).parent]
    default = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert default == subprocess.run([*command, "help"], capture_output=True, text=True, check=True).stdout
    assert re.findall(r"^  (\S+) +\S", default, re.MULTILINE) == TARGETS[name].split()


@pytest.mark.parametrize("name", MAKEFILES)
def test_no_target_is_mistaken_for_a_file_of_that_name(name):
    phony = set(re.search(r"^\.PHONY: (.+)$", (ROOT / name).read_text(), re.MULTILINE)[1].split())
    assert set(TARGETS[name].split()) <= phony
