"""Ctrl-C while an image is built, a chart is installed, pods are waited for, and everything is deleted."""

from __future__ import annotations

import re

from kubefuture.kube import registry

from tests.kubernetes.test_story import recorded
from tests.playbooks.test_interrupts import commands, interrupt
from tests.project.kit import wait_until


def test_ctrl_c_in_any_step_on_a_cluster_leaves_no_program_behind_and_the_next_up_goes_on(make):
    study = make()
    for title, program in (
        ("Building the image", " build "),
        ("Starting the workers", "helm upgrade"),
        ("Starting the workers", "get events"),
        ("Connecting to them", "cluster connect"),
    ):
        err = interrupt(study.project, "up", title, program)
        wait_until(lambda: commands(study.project) == [], "nothing of it runs any more")
        # A step that had just ended needs no interruption.
        assert not err or re.search(r"^Interrupted\..* `make down` ends it\.$", err, re.MULTILINE)
    assert "1 worker is ready" in study.kubefuture("up").stdout
    [image] = recorded(study)["images"]

    err = interrupt(study.project, "down", "Ending what runs on the cluster", "kubectl")
    assert not err or "(code 4)" in err
    wait_until(lambda: commands(study.project) == [], "nothing of it runs any more")
    assert "Nothing is left." in study.kubefuture("down").stdout
    assert not registry.digest_of(image)
