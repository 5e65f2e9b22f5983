"""`doctor`: check this machine and values.yaml, and say what to mend."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import chain

from ..errors import KubefutureError
from ..project import values
from ..project.checks import Finding, check_all, check_before_up
from ..project.errors import ProjectError
from ..project.folder import Project

_MARKS = {"ok": "  ok    ", "note": "  note  ", "stop": "  STOP  "}
_NEXT_WHEN_UP = "Next: make run. After a change in values.yaml: make up. When you are done: make down."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    parser.add_argument(
        "--before-up", action="store_true", help="only say what keeps the workers from starting"
    )
    parser.add_argument("--check", action="store_true", help="change nothing, which it never does")


def run(project: Project, options: argparse.Namespace) -> int:
    """Prints the findings."""
    if options.before_up:
        for finding in check_before_up(project):
            if finding.state == "stop":
                raise ProjectError(finding.words)
        return 0
    findings: list[Finding] = []
    for finding in chain(check_all(project), _of_cluster(project)):
        findings.append(finding)
        print(_MARKS[finding.state] + finding.words)
    stops = sum(finding.state == "stop" for finding in findings)
    if stops:
        raise ProjectError(
            f"{'One thing is' if stops == 1 else f'{stops} things are'} in the way, marked STOP above."
        )
    verdict = (
        "Nothing is in the way" if any(finding.state == "note" for finding in findings) else "All is well"
    )
    if any(finding.up for finding in findings):
        print(f"{verdict}, and the workers are up. {_NEXT_WHEN_UP}")
    else:
        print(f"{verdict}. Next: make up")
    return 0


def _of_cluster(project: Project) -> Iterator[Finding]:
    try:
        wanted = values.load(project)
    except KubefutureError:
        return  # it was reported
    if wanted.provider != "local":
        from ..kube.providers import provider_of

        yield from provider_of(wanted.provider).check(project, wanted)
