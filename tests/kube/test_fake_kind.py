"""The fake kind says what the real one says: in the same words, to the same stream, with the same exit code.

The lines are those of kind 0.33.0 itself, run with an engine that had no clusters, or one that did not answer. A kind
that is on this machine is asked the same.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import pytest

from tests.faults.fake_machine import FakeKind

USING = "using podman due to KIND_EXPERIMENTAL_PROVIDER\nenabling experimental podman provider\n"

SAID = [
    (["version"], 0, r"kind v0\.\d+\.\d+ go\S+ \w+/\w+\n", ""),
    (["nonsense"], 1, "", 'ERROR: unknown command "nonsense" for "kind"\n'),
    (["create", "cluster", "--foo"], 1, "", "ERROR: unknown flag: --foo\n"),
    (["get", "clusters"], 0, "", f"{USING}No kind clusters found.\n"),
    (["get", "clusters", "--name", "x"], 1, "", "ERROR: unknown flag: --name\n"),
    (
        ["delete", "cluster", "--name", "kubefuture-no", "--kubeconfig", "{folder}/k"],
        0,
        "",
        f'{USING}Deleting cluster "kubefuture-no" ...\n',
    ),
    (
        ["load", "image-archive", "{folder}/none.tar", "--name", "kubefuture-no"],
        1,
        "",
        f"{USING}ERROR: stat {{folder}}/none.tar: no such file or directory\n",
    ),
    (
        ["load", "image-archive", "{folder}/some.tar", "--name", "kubefuture-no"],
        1,
        "",
        f'{USING}ERROR: no nodes found for cluster "kubefuture-no"\n',
    ),
    (
        ["export", "kubeconfig", "--name", "kubefuture-no", "--kubeconfig", "{folder}/k"],
        1,
        "",
        f"{USING}ERROR: could not locate any control plane nodes for cluster named 'kubefuture-no'. "
        "Use the --name option to select a different cluster\n",
    ),
    (
        ["export", "logs", "{folder}/logs", "--name", "kubefuture-no"],
        1,
        "",
        f'{USING}ERROR: unknown cluster "kubefuture-no"\n',
    ),
]
IDS = [" ".join(case[0]).replace("{folder}/", "") for case in SAID]


def check(command, environment, folder, case):
    arguments, code, out, err = case
    (folder / "some.tar").touch()
    told = [one.replace("{folder}", str(folder)) for one in arguments]
    done = subprocess.run(
        [command, *told],
        env=environment | {"KIND_EXPERIMENTAL_PROVIDER": "podman"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == code, done.stderr
    assert re.fullmatch(out, done.stdout), done.stdout
    assert done.stderr == err.replace("{folder}", str(folder))


KINDS = ["fake", "real"] if shutil.which("kind") and shutil.which("podman") else ["fake"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", SAID, ids=IDS)
def test_the_fake_says_what_the_real_kind_says(tmp_path, kind, case):
    if kind == "real":
        check("kind", dict(os.environ), tmp_path, case)
    else:
        fake = FakeKind(tmp_path / "fake", engines=("docker", "podman"))
        check(str(fake.bin / "kind"), fake.environment(), tmp_path, case)


def test_an_engine_that_does_not_answer_is_told_as_kind_tells_it(tmp_path):
    """As kind 0.33.0 with the docker command and no daemon."""
    fake = FakeKind(tmp_path / "fake")
    with fake.change() as docker:
        docker["away"] = True
    environment = fake.environment(KIND_EXPERIMENTAL_PROVIDER="docker")
    command = [str(fake.bin / "kind"), "get", "clusters"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 1 and done.stdout == ""
    assert "ERROR: failed to list clusters: command " in done.stderr
    assert "\n\nCommand Output: Cannot connect to the Docker daemon" in done.stderr
