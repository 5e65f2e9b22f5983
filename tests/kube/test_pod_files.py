"""What a pod makes of what Kubernetes gives it."""

from __future__ import annotations

import pytest
from kubefuture.errors import StartError
from kubefuture.pod.files import size_in_bytes


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ("0", 0),
        ("10Gi", 10 << 30),
        ("512Mi", 512 << 20),
        ("1.5Ki", 1536),
        ("2G", 2_000_000_000),
        ("3k", 3000),
        ("7Ti", 7 << 40),
    ],
)
def test_sizes_are_read_as_kubernetes_writes_them(size, expected):
    assert size_in_bytes(size) == expected


@pytest.mark.parametrize("size", ["", "ten", "10 Gi", "-1Gi", "10Gib"])
def test_what_is_no_size_is_refused(size):
    with pytest.raises(StartError, match="no size"):
        size_in_bytes(size)
