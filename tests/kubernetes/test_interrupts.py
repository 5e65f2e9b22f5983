"""Ctrl-C while an image is built, a chart is installed, pods are waited for, and everything is deleted."""

from __future__ import annotations

import re

from kubefuture.kube import registry

from tests.kubernetes.test_story import recorded
from tests.playbooks.test_interrupts import commands, interrupt


def test_ctrl_c_in_any_step_on_a_cluster_leaves_no_program_behind_and_the_next_up_goes_on(make):
    study = make()
    for title, program in (
        ("Building the image", " build "),
        ("Starting the workers", "helm upgrade"),
        ("Starting the workers", "get events"),
        ("Connecting to them", "cluster connect"),
    ):
        err = interrupt(study.project, "up", title, program)
        assert commands(study.project) == []
        assert re.search(r"^Interrupted\..* `make down` ends it\.$", err, re.MULTILINE)
    assert "1 worker is ready" in study.kubefuture("up").stdout
    [image] = recorded(study)["images"]

    assert "(code 4)" in interrupt(study.project, "down", "Ending what runs on the cluster", "kubectl")
    assert commands(study.project) == []
    assert "Nothing is left." in study.kubefuture("down").stdout
    assert not registry.digest_of(image)
