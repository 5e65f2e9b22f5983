"""What went wrong in the build of an image, from what docker, podman or buildah said. No I/O."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..project import uv

_TELLING = re.compile(
    r"error|denied|unauthorized|cannot|not found|no such|refused|timeout|wrong|unable", re.IGNORECASE
)
_EMPTY = re.compile(
    r"exit(ed with)? (code|status)|while running runtime|building at STEP|did not complete successfully"
)
_MARK = re.compile(r"^(#\d+ )?(\d+\.\d+ )?")
"""BuildKit's number of a step, and seconds since its beginning."""
_NO_DEB = (
    re.compile(r"^E: Unable to locate package (?P<name>\S+)"),
    re.compile(r"^E: Package '(?P<name>[^']+)' has no installation candidate"),
    re.compile(r"^E: Couldn't find any package by (?:glob|regex) '(?P<name>[^']+)'"),
    re.compile(r"^E: Version '(?P<version>[^']+)' for '(?P<name>[^']+)' was not found"),
)
_UV = re.compile(r"^(error: |× )")
_NO_BASE = re.compile(
    r"manifest unknown|name unknown|pull access denied|creating build container|failed to solve: \S+: .*not found",
    re.IGNORECASE,
)
_OTHER_PROCESSOR = re.compile(r"exec format error", re.IGNORECASE)


def reason(lines: Sequence[str], platform: str = "") -> str:
    """Why it failed, as the end of a sentence.

    Args:
        lines: The last lines of what was said.
        platform: What was built for.
    """
    lines = [_MARK.sub("", line) for line in lines]
    for line in lines:
        for pattern in _NO_DEB:
            if found := pattern.match(line):
                parts = found.groupdict()
                wanted = f"{parts['name']}={parts['version']}" if "version" in parts else parts["name"]
                return f"packages.apt in values.yaml names {wanted}, which the Debian of the base image does not have"
    if any(_OTHER_PROCESSOR.search(line) for line in lines):
        return (
            f"this machine cannot run programs for {platform or 'another processor'}, which is what the cluster's "
            "nodes need. Let it emulate them (Docker Desktop does; on Debian and Ubuntu: sudo apt install "
            "qemu-user-static), "
            "build on such a machine, or write packages.at_start: true into values.yaml, which needs no image"
        )
    told = [line for line in lines if not _EMPTY.search(line)]
    if any(_UV.match(line) for line in told):
        return uv.reason("\n".join(told)).rstrip(".")[:400]
    line = ([line for line in told if _TELLING.search(line)] or told or ["it gave no reason"])[-1]
    line = line.removeprefix("Error: ").removeprefix("ERROR: ").removeprefix("error: ").rstrip(".")[:400]
    if _NO_BASE.search(line):
        return f"{line}. See the name of cluster.base_image in values.yaml, and whether its registry wants a login"
    return line


def shown(lines: Sequence[str]) -> str:
    """The last lines, indented."""
    return "\n".join(f"  {line[:200]}" for line in lines[-12:])
