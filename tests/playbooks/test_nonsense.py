"""Options and playbooks that make no sense get a sentence, and nothing is done."""

from __future__ import annotations

import shutil

import pytest
from kubefuture.project.playbook import Played

from tests.playbooks.conftest import pids
from tests.project import kit


@pytest.mark.parametrize("command", ["up", "down", "doctor", "status"])
@pytest.mark.parametrize(
    "options", [["--limit", "elsewhere"], ["--tags=none"], ["-e", "provider=kind"], ["now"]]
)
def test_options_of_ansible_and_other_nonsense_are_refused_in_a_sentence(project, command, options):
    sentence = kit.one_sentence(kit.kubefuture(project, command, *options, status=2))
    assert options[-1] in sentence and "Nothing was done." in sentence
    assert f"make {command} ARGS=--help" in sentence
    assert not project.state.exists()


@pytest.mark.parametrize(
    "content",
    ["- nonsense\n", "- hosts: [\n", "- name: Play\n  hosts: localhost\n  roles: [nobody]\n"],
    ids=["no play", "no YAML", "no role"],
)
def test_playbooks_that_ansible_cannot_go_through_are_said_to_be_so(study, content):
    copy = study.folder / "mine"
    shutil.copytree(study.playbooks, copy)
    study.playbooks.unlink()
    copy.rename(study.playbooks)
    (study.playbooks / "install.yml").write_text(content)
    done = kit.kubefuture(study, "up", status=1)
    sentence = kit.one_sentence(done)
    assert "Ansible could not go through the playbooks" in sentence and "git diff playbooks" in sentence
    assert pids(study) == set()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, ""),
        (2, ""),
        (130, ""),
        (1, "exit code is 1"),
        (4, "exit code is 4"),
        (250, "250"),
        (-9, "signal 9"),
    ],
)
def test_each_of_ansibles_exit_codes_has_its_meaning(code, words):
    """0: all went well; 2: a task has said what is wrong; 130: Ctrl-C; others are Ansible's own trouble."""
    told = Played(code, ()).broken
    assert words in told and bool(words) is bool(told)
