"""Who is let in by a project's Dask: whoever has its one key, which scheduler, workers and clients share (R31).

Dask checks at both ends of every connection that the other one shows a certificate of its authority. Here the
authority is one certificate that can sign no other: to show it, its key is needed. There are no names to check, as all
of them are one party.
"""

from __future__ import annotations

import ssl
from typing import Any


def dask_security(certificate: str, key: str) -> Any:
    """Dask's `Security` for any of the three.

    Args:
        certificate: PEM, or the path of such a file.
        key: The same for its key.
    """
    import distributed

    package: Any = distributed
    pairs = {
        f"tls_{role}_{what}": content
        for role in ("client", "scheduler", "worker")
        for what, content in (("cert", certificate), ("key", key))
    }
    return package.Security(
        require_encryption=True, tls_ca_file=certificate, tls_min_version=ssl.TLSVersion.TLSv1_3, **pairs
    )
