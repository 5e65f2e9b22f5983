"""`values`: check values.yaml. Every command that starts something does so first."""

from __future__ import annotations

import argparse

from ..project import values
from ..project.folder import Project


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    parser.add_argument("--print", action="store_true", help="print all values, with defaults, as JSON")


def run(project: Project, options: argparse.Namespace) -> int:
    """Checks values.yaml."""
    checked = values.load(project)
    if options.print:
        import json

        print(json.dumps(checked.data, indent=2, ensure_ascii=False))
    return 0
