"""What the steps of `make up` and `make down` change, told where it is known: in the step that does it.

    step ── report(Change("namespace", "The namespace X is made.")) ─┬─> standard output: the sentence
                                                                     └─> a line in the file that CHANGES names
    the playbooks' action ── has that file grown? ──> `changed`
    up, down ── all its lines ──────────────────────> one line in the end

In check mode a step reports in the same way what it would change. A step that says something else just prints it.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

CHANGES = "KUBEFUTURE_CHANGES"
"""Environment variable: the file that a step writes its changes to."""


@dataclass(frozen=True)
class Change:
    """One thing that was changed, or would be.

    Attributes:
        what: What it is, in a word or two.
        words: What happened to it, as a sentence for people.
    """

    what: str
    words: str

    def __str__(self) -> str:
        return self.words


Say = Callable[[Change | str], object]
"""Takes what is to be told: a change, or mere words."""


def report(change: Change) -> None:
    """Says it, and writes it down for who asked for the play.

    Raises:
        OSError: It cannot be written down.
    """
    print(change.words)
    path = os.environ.get(CHANGES)
    if path:
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(change.what) + "\n")


def tell(one: Change | str) -> None:
    """Reports a change; mere words are said and no more."""
    if isinstance(one, Change):
        report(one)
    else:
        print(one)


def report_all(found: Iterable[Change | str]) -> None:
    """Tells each as soon as it is known."""
    for one in found:
        tell(one)


def read(path: Path) -> tuple[str, ...]:
    """What was changed, each once, in the order of the steps.

    Args:
        path: The file.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return ()
    return tuple(dict.fromkeys(str(json.loads(line)) for line in lines))


def stop(path: Path, number: int) -> None:
    """Ends the step that is at work, with all that it has started, and lets no other one begin.

    Args:
        path: The file of its changes; beside it the playbooks' action notes which process the step is.
        number: The signal.
    """
    path.with_name(f"{path.name}.stop").touch()
    with contextlib.suppress(OSError, ValueError):
        os.killpg(int(path.with_name(f"{path.name}.pid").read_text(encoding="ascii")), number)
