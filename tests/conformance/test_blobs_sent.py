"""The same where a program is on another machine, so that its data goes over the connection (R16, R26)."""

from __future__ import annotations

import pytest
from kubefuture.core import blobs

from tests.conformance.test_blobs import *  # noqa: F403 (all of its tests)

KINDS = ["cluster"]


@pytest.fixture(autouse=True)
def elsewhere(plan, monkeypatch):
    """The workers do not find its memory."""
    monkeypatch.setattr(blobs, "this_machine", lambda: "")
