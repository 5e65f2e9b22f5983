"""What a scheduler has recorded is on disk at some later moment; tests that kill it wait for that."""

from __future__ import annotations

import kubefuture as kf
import pytest
from kubefuture.errors import NamedMapError


def recorded() -> None:
    """Waits until all is on disk that the plan's scheduler knows now: it says nothing of a name before (R8)."""
    with pytest.raises(NamedMapError, match="no map named 'nobody'"):
        kf.attach("nobody")
