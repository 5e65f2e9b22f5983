"""What went wrong in a build is one sentence, whichever engine it was."""

from __future__ import annotations

import pytest
from kubefuture.kube.build_words import reason

BUILDAH_APT = """\
STEP 8/16: RUN if [ -n "$APT" ]; then apt-get update && apt-get install -y $APT; fi
Reading package lists...
E: Unable to locate package nosuch
Error: building at STEP "RUN if [ -n "$APT" ]; then apt-get update": while running runtime: exit status 100
"""
DOCKER_APT = """\
#9 [worker 5/8] RUN if [ -n "$APT" ]; then apt-get update && apt-get install -y $APT; fi
#9 6.021 Reading package lists...
#9 6.402 E: Unable to locate package nosuch
#9 ERROR: process "/bin/sh -c if ..." did not complete successfully: exit code: 100
------
 > [worker 5/8] RUN if [ -n "$APT" ]; then apt-get update && apt-get install -y $APT; fi:
6.402 E: Unable to locate package nosuch
------
ERROR: failed to solve: process "/bin/sh -c if ..." did not complete successfully: exit code: 100
"""
VERSION = "E: Version '1.0' for 'hello' was not found\n"
PROCESSOR = (
    'exec container process `/bin/sh`: Exec format error\nError: building at STEP "RUN": exit status 1\n'
)
UV = """\
#11 7.1 installing packages: 2 of 9
#11 7.3 error: Failed to download `cloudpickle==3.1.2`
#11 7.3   Caused by: Hash mismatch for `cloudpickle==3.1.2`
#11 ERROR: process "/bin/sh -c python3" did not complete successfully: exit code: 2
"""
INDEX = """\
WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError(...)': /simple/uv/
ERROR: No matching distribution found for uv==0.13.9
error: the package index cannot be reached: Connection refused
Error: building at STEP "RUN": while running runtime: exit status 1
"""
PULL = "ERROR: failed to solve: python:3.19-slim: docker.io/library/python:3.19-slim: not found\n"
NO_MANIFEST = (
    "Trying to pull registry.example.org/ann/none:1...\n"
    "Error: creating build container: initializing source docker://registry.example.org/ann/none:1: reading manifest "
    "1 in registry.example.org/ann/none: manifest unknown\n"
)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (BUILDAH_APT, "packages.apt in values.yaml names nosuch, which"),
        (DOCKER_APT, "packages.apt in values.yaml names nosuch, which"),
        (VERSION, "names hello=1.0, which the Debian of the base image does not have"),
        (PROCESSOR, "this machine cannot run programs for linux/arm64"),
        (UV, "Failed to download `cloudpickle==3.1.2`: Hash mismatch for `cloudpickle==3.1.2`"),
        (INDEX, "the package index cannot be reached: Connection refused"),
        (PULL, "python:3.19-slim: not found. See the name of cluster.base_image in values.yaml"),
        (NO_MANIFEST, "manifest unknown. See the name of cluster.base_image in values.yaml"),
        ("", "it gave no reason"),
    ],
)
def test_the_reason_is_found(said, words):
    found = reason(said.splitlines(), "linux/arm64")
    assert words in found
    assert "\n" not in found
    assert "exit code" not in found and "exit status" not in found
