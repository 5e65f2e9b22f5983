"""The runtime's rules, and which test proves which.

    RULES + names and docstrings of tests/**/test_*.py and kubefuture/conformance ──> page()

A test names a rule in its own name (`test_R7_…`) or docstring. A rule in the docstring of a whole file
stands for all tests of that file which name none.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
TESTS = ROOT / "tests"
CLAIMS = ROOT / "runtime/src/kubefuture/conformance"
"""What tests/conformance/test_claims.py runs on every back end, and users on theirs."""

RULES = {
    1: "One pure machine of rules, hosted by the client's thread, the scheduler daemon, or a simulation.",
    2: "One connection a worker; its supervisor never runs users' code and can always answer.",
    3: "A slot belongs to one session at a time, and is replaced by a fresh process when that changes.",
    4: "Unnamed work is held by its client, and sent again to a scheduler that was started anew.",
    5: "Named work is held by the journal: accepted means committed, and the client may leave.",
    6: "A result is recorded once; the first one counts, and it is committed before it is told to anybody.",
    7: "A worker keeps results until they are acknowledged, and tells a new scheduler what it has.",
    8: "Cancels, strikes, names and retention of named work are committed before they are acknowledged.",
    9: "Losing the journal loses the named maps, and nothing else; damage is an error, never an empty journal.",
    10: "A session whose connection broke is away, not gone; one whose client is gone is cancelled.",
    11: "Sessions share the slots fairly, and so do the maps of a session; single futures go first.",
    12: "Programs that do not fit together are refused with a sentence that names both sides.",
    13: "Slots have work in advance, but what they have not begun can be taken back.",
    14: "Leases follow measured time, and results are handed over soon.",
    15: "A queued element costs few bytes.",
    16: "Submitting never blocks, memory and disk have limits, and the journal refuses before it is full.",
    17: "Slots that are too many finish what they run before they go.",
    18: "An error of the user's function arrives as itself, and cancels the rest of its map.",
    19: "An element that kills three slots is reported as poison; losses that are not its doing do not count for it.",
    20: "The slot that needs too much memory is ended, and the others go on; killed containers are answered for.",
    21: "A running element can be cancelled; what is finished is kept.",
    22: "A time limit can be set for a whole call and for each element.",
    23: "Nothing waits silently for workers that are not there.",
    24: "Random numbers depend on the seed and the element's index alone.",
    25: "Use of the global generators without a seed is noticed.",
    26: "Large data goes once to each worker, under its digest.",
    27: "Data that changed between two calls is sent anew.",
    28: "Every element gets its own copy of the function, on every plan.",
    29: "Data lives as long as something refers to it, and is verified when it arrives.",
    30: "Results that would not fit into memory are warned about before they are fetched.",
    31: "Nothing of a peer is decoded before it has proved that it knows the token.",
    32: "Connection files are private, and a client connects only to what it can authenticate.",
    33: "Local sockets lie in a folder that is private, with a path that is short enough.",
}

_NUMBER = re.compile(r"(?<![A-Za-z0-9])[Rr](\d{1,2})(?![A-Za-z0-9])")
_INTRODUCTION = """\
<!-- Made by docs/rules.py from the tests: .venv/bin/python -m docs.generate -->

# Rules and their tests

What the runtime promises, as rules that can each be tested. This page is for those who work on it, or want to
know how far a promise is proved. The tests' names are claims; `make test ARGS="-k R7_"` runs those that name a rule.
"""


class Claim(NamedTuple):
    """What proves a rule: one test, or with an empty name all of a file that name no rule."""

    file: str
    test: str


def main() -> None:
    """Prints the rules that no test names."""
    found = proofs()
    for rule, promise in RULES.items():
        if rule not in found:
            print(f"R{rule}: {promise}")


def page() -> str:
    """The page, as Markdown."""
    found = proofs()
    missing = [f"R{rule}" for rule in RULES if rule not in found]
    parts = [_INTRODUCTION]
    if missing:
        parts.append(f"No test names these yet: {', '.join(missing)}.\n")
    for rule, promise in RULES.items():
        parts.append(f"## R{rule}\n\n{promise}\n")
        if rule in found:
            parts.append("\n".join(_lines(found[rule])) + "\n")
    return "\n".join(parts)


def proofs() -> dict[int, list[Claim]]:
    """The claims about each rule, in the order of files and tests."""
    found: dict[int, list[Claim]] = defaultdict(list)
    for path in [*sorted(TESTS.rglob("test_*.py")), *sorted(CLAIMS.glob("*.py"))]:
        for rules, claim in _claims(path):
            for rule in rules:
                found[rule].append(claim)
    unknown = found.keys() - RULES.keys()
    if unknown:
        raise ValueError(f"There are no rules {sorted(unknown)}: {[found[rule] for rule in unknown]}")
    return found


def _claims(path: Path) -> Iterator[tuple[set[int], Claim]]:
    claims = path.parent == CLAIMS
    file = f"kubefuture/conformance/{path.name}" if claims else path.relative_to(TESTS).as_posix()
    start = "" if claims else "test_"
    module = ast.parse(path.read_text(encoding="utf-8"))
    rest = _numbers(ast.get_docstring(module) or "")
    if rest:
        yield rest, Claim(file, "")
    for node in module.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith(start):
            rules = _numbers(node.name.replace("_", " ")) | _numbers(ast.get_docstring(node) or "")
            if rules:
                yield rules, Claim(file, node.name)


def _numbers(text: str) -> set[int]:
    return {int(number) for number in _NUMBER.findall(text)}


def _lines(claims: list[Claim]) -> Iterator[str]:
    for file in dict.fromkeys(claim.file for claim in claims):
        tests = [claim.test for claim in claims if claim.file == file and claim.test]
        yield f"- `{file}`" + ("" if tests else ", as a whole")
        for test in tests:
            yield f"    - {_NUMBER.sub('', test.removeprefix('test_').replace('_', ' ')).strip()}"


if __name__ == "__main__":
    main()
