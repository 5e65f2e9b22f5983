"""Connection files: where a project's cluster is, and what proves that it is that one (R31, R32)."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import LoginError, NotUpError
from .current_folder import own_folders

if TYPE_CHECKING:
    import socket

FILE = Path(".kubefuture") / "connection.json"
"""Where a project keeps it, relative to the project's folder."""


@dataclass(frozen=True, repr=False)
class Connection:
    """One cluster.

    Attributes:
        project: The project's name.
        provider: Which provider made the cluster, `local` for this machine.
        address: `unix:PATH`, or `tcp:HOST:PORT`, for which there must be a certificate.
        token: The secret that both sides prove to know, 64 hexadecimal digits.
        certificate: The only one that is trusted at a network address, PEM.
    """

    project: str
    provider: str
    address: str
    token: str
    certificate: str = ""

    def __repr__(self) -> str:
        return f"Connection(project={self.project!r}, provider={self.provider!r}, address={self.address!r})"

    @property
    def socket_path(self) -> str:
        """The Unix socket's path; empty for a network address."""
        return self.address.removeprefix("unix:") if self.address.startswith("unix:") else ""

    @property
    def host_and_port(self) -> tuple[str, int]:
        """The network address.

        Raises:
            ValueError: It is none.
        """
        scheme, _, place = self.address.partition(":")
        if scheme != "tcp":
            raise ValueError(f"{self.address} is no network address")
        return split_place(place)

    def dial(self, seconds: float) -> socket.socket:
        """Connects, and no more: who answers has proved nothing yet.

        Args:
            seconds: How long that, and each use of the socket, may take.

        Raises:
            OSError: Nobody listens there.
        """
        import socket

        if not self.socket_path:
            return socket.create_connection(self.host_and_port, seconds)
        end = socket.socket(socket.AF_UNIX)
        end.settimeout(seconds)
        try:
            end.connect(self.socket_path)
        except OSError:
            end.close()
            raise
        return end

    @property
    def key(self) -> bytes:
        """The token as bytes, the key of the login."""
        return bytes.fromhex(self.token)

    def save(self, path: Path) -> None:
        """Writes the file so that it is never half there and nobody else can ever read it.

        Args:
            path: The connection file; its folder exists.

        Raises:
            OSError: It cannot be written.
        """
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(asdict(self), file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise

    @classmethod
    def load(cls, path: Path) -> Connection:
        """Reads a connection file, which must be the caller's own and private.

        Args:
            path: The connection file.

        Raises:
            NotUpError: There is none, or it is damaged.
            LoginError: It belongs to somebody else, others can read or write it, or it names a network
                address without a certificate.
        """
        try:
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise NotUpError(
                f"There is no cluster: {path} does not exist. Start one with `make up`."
            ) from None
        except OSError as error:
            raise NotUpError(
                f"{path} cannot be read ({error.strerror}); see who owns it, or run `make up`."
            ) from None
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            os.close(handle)
            raise NotUpError(f"{path} is no file. Remove it, then run `make up`.")
        with os.fdopen(handle, "rb") as file:
            if status.st_uid != os.getuid():
                raise LoginError(
                    f"{path} belongs to another user (uid {status.st_uid}); results are unpickled, so only "
                    "your own cluster can be used. Run `make up` in a project of your own."
                )
            if stat.S_IMODE(status.st_mode) & 0o077:
                raise LoginError(
                    f"{path} can be read by others (mode {stat.S_IMODE(status.st_mode):04o}), so its token is "
                    "no secret any more. Run `make down` and `make up` to get a new one."
                )
            try:
                content = json.loads(file.read())
                connection = cls(
                    **{name: str(content[name]) for name in ("project", "provider", "address", "token")},
                    certificate=str(content.get("certificate", "")),
                )
                connection.key  # noqa: B018 (raises when it is not hexadecimal)
                connection.socket_path or connection.host_and_port  # noqa: B018 (raises when it is neither)
            except (ValueError, KeyError, TypeError):
                raise NotUpError(f"{path} is damaged. Write it anew with `make up`.") from None
        if not connection.socket_path and not connection.certificate:
            raise LoginError(
                f"{path} names the network address {connection.address} but no certificate, and over a network "
                "only the cluster's own can tell it from an impostor. Write the file anew with `make down` and "
                "`make up`."
            )
        return connection

    @staticmethod
    def find(start: Path | None = None) -> Path | None:
        """Searches a connection file upward, no further than the repository's root or the home folder.

        Where there is neither, no further than the folders that are the user's own.

        Args:
            start: Where to begin, by default the current folder.

        Returns:
            Its path, or None.
        """
        return next((place / FILE for place in own_folders(start) if (place / FILE).exists()), None)


def split_place(place: str) -> tuple[str, int]:
    """Takes `HOST:PORT` apart; a host that is an IPv6 number stands in brackets.

    Raises:
        ValueError: It is not of that form.
    """
    host, _, port = place.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        host = ""
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{place!r} is not of the form HOST:PORT")
    return host, int(port)
