"""The cluster's own certificate: the only one that is trusted, for one fixed name (R31).

It is signed by itself and can sign no other. The name is not the host's: scheduler and client meet
through forwards, at 127.0.0.1 as often as not, so what counts is whose key answers, not where.
"""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import LoginError, NotUpError, StartError

if TYPE_CHECKING:
    import ssl

SERVER_NAME = "kubefuture"
"""The name in every cluster's certificate."""

_DAYS = 3650
"""It lives as long as its cluster, so ten years are as good as for ever."""

_EXPIRED, _NOT_YET_VALID, _OTHER_NAME = 10, 9, 62  # X509_V_ERR_… of OpenSSL's x509_vfy.h


def make_certificate(
    name: str = SERVER_NAME, starts: datetime | None = None, *, mutual: bool = False
) -> tuple[str, str]:
    """Makes a certificate and its key.

    Args:
        name: The server's name.
        starts: From when on it is valid, for ten years; by default since yesterday, as clocks differ.
        mutual: Both sides of a connection show it, as Dask's do, and not only the one that is called.

    Returns:
        Certificate and key, both PEM. The key is a secret: whoever has it can pose as the scheduler.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    uses = [ExtendedKeyUsageOID.SERVER_AUTH, *([ExtendedKeyUsageOID.CLIENT_AUTH] if mutual else [])]
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    starts = starts or datetime.now(UTC) - timedelta(days=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(starts)
        .not_valid_after(starts + timedelta(days=_DAYS))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode(), private.decode()


def client_context(certificate: str) -> ssl.SSLContext:
    """TLS for the side that calls: trusts one certificate and nothing else.

    Args:
        certificate: PEM.

    Raises:
        NotUpError: It is no certificate.
    """
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # which checks certificate and name
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        context.load_verify_locations(cadata=certificate)
    except (ssl.SSLError, ValueError, TypeError):
        raise NotUpError(
            "The certificate in the connection file is damaged. "
            "Get the file again, or write it anew with `make down` and `make up`."
        ) from None
    return context


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """TLS for the side that is called.

    Args:
        certificate: A PEM file.
        key: The PEM file of its key, which must be the caller's own and private.

    Raises:
        StartError: They cannot be used, or others can read the key.
    """
    import ssl

    try:
        status = os.stat(key)
        if status.st_uid != os.getuid() or stat.S_IMODE(status.st_mode) & 0o077:
            raise StartError(
                f"The key {key} is no secret: its owner is uid {status.st_uid} (this program's is {os.getuid()}) and "
                f"its mode {stat.S_IMODE(status.st_mode):04o}. Make a new certificate and key, and keep the key 0600."
            )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.num_tickets = 0  # every connection proves itself anew
        context.load_cert_chain(certificate, key, password=lambda: "")  # which would ask on the terminal
    except (OSError, ValueError) as error:
        raise StartError(
            f"The certificate {certificate} and its key {key} cannot be used: {error}. Make them anew."
        ) from None
    return context


def refusal(error: ssl.SSLError, address: str) -> LoginError | None:
    """Why a client does not trust what answered, or None if only the connection broke.

    Args:
        error: What came of the handshake.
        address: Where it connected to.
    """
    import ssl

    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return None
    if not isinstance(error, ssl.SSLCertVerificationError):
        return LoginError(
            f"What answers at {address} is no kubefuture scheduler, or one without TLS ({error.reason or error}). "
            "See which address the connection file names, and whether a forward leads elsewhere."
        )
    if error.verify_code == _EXPIRED:
        return LoginError(
            f"The certificate of the scheduler at {address} has expired. "
            "Run `make down` and `make up` in the project to get a new one; if it is new, see this machine's clock."
        )
    if error.verify_code == _NOT_YET_VALID:
        return LoginError(
            f"The certificate of the scheduler at {address} is not valid yet: "
            "see whether this machine's clock is right."
        )
    if error.verify_code == _OTHER_NAME:
        return LoginError(
            f"The certificate of what answers at {address} is not for the name {SERVER_NAME!r}. "
            "Run `make down` and `make up` in the project to get one that is."
        )
    return LoginError(
        f"What answers at {address} has not the certificate of the connection file: it is another cluster, or "
        "an impostor. Nothing was sent to it. If the cluster was made anew, get its connection file again; "
        "`make down` and `make up` write one."
    )
