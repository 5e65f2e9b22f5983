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
from .files import replace_private
from .route import Route

if TYPE_CHECKING:
    import socket

FILE = Path(".kubefuture") / "connection.json"
"""Where a project keeps it, relative to the project's folder."""

NATIVE, DASK = "native", "dask"
"""The engines: whose scheduler hands out the work."""

_OPTIONAL = ("certificate", "kubeconfig", "context", "private_key")


@dataclass(frozen=True, repr=False)
class Connection:
    """One cluster.

    Attributes:
        project: The project's name.
        provider: Which provider made the cluster, `local` for this machine.
        address: `unix:PATH`; or `tcp:HOST:PORT`, for which there must be a certificate, as for
            `kubectl:NAMESPACE/SERVICE:PORT`, a service of Kubernetes that a forward of kubectl leads to.
        token: The secret that both sides prove to know, 64 hexadecimal digits.
        certificate: The only one that is trusted at a network address, PEM.
        kubeconfig: For a service: the file that describes its Kubernetes; several have colons between.
        context: For a service: which of the contexts in there.
        engine: Whose scheduler it is: `native` is kubefuture's own, `dask` is Dask's.
        private_key: For `dask`: the certificate's key, PEM. Who has it is let in; the token is not used.
    """

    project: str
    provider: str
    address: str
    token: str
    certificate: str = ""
    kubeconfig: str = ""
    context: str = ""
    engine: str = NATIVE
    private_key: str = ""

    def __repr__(self) -> str:
        return f"Connection(project={self.project!r}, provider={self.provider!r}, address={self.address!r})"

    @property
    def socket_path(self) -> str:
        """The Unix socket's path; empty for a network address."""
        return self.address.removeprefix("unix:") if self.address.startswith("unix:") else ""

    @property
    def route(self) -> Route | None:
        """The way to a service of Kubernetes; None for any other address.

        Raises:
            ValueError: It is none.
        """
        scheme, _, place = self.address.partition(":")
        if scheme != "kubectl":
            return None
        service, port = split_place(place)
        namespace, _, service = service.partition("/")
        if not namespace or not service or not self.context:
            raise ValueError(
                f"{self.address} is not of the form kubectl:NAMESPACE/SERVICE:PORT with a context"
            )
        return Route(self.kubeconfig, self.context, namespace, service, port)

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

    def opened(self) -> tuple[str, int]:
        """The network address, to which the way is opened first where it needs one; that may take seconds.

        Raises:
            NoAnswerError: It cannot be opened.
        """
        route = self.route
        if route is None:
            return self.host_and_port
        from .tunnel import local_port

        return "127.0.0.1", local_port(route)

    @property
    def is_open(self) -> bool:
        """Whether there is a way that was opened before, which may lead nowhere by now."""
        if (route := self.route) is None:
            return False
        from .tunnel import is_open

        return is_open(route)

    @property
    def way(self) -> object:
        """What stands for the way that is open, to be compared; None where there is none, or none is needed."""
        if (route := self.route) is None:
            return None
        from .tunnel import current

        return current(route)

    def broken(self) -> None:
        """Says that the way leads nowhere, so that it is opened anew before the next use."""
        if (route := self.route) is not None:
            from .tunnel import close

            close(route)

    def dial(self, seconds: float) -> socket.socket:
        """Connects, and no more: who answers has proved nothing yet.

        Args:
            seconds: How long that, and each use of the socket, may take.

        Raises:
            OSError: Nobody listens there.
        """
        import socket

        if not self.socket_path:
            return socket.create_connection(self.opened(), seconds)
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
        replace_private(path, json.dumps(asdict(self), indent=1))

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
                    **{name: str(content.get(name, "")) for name in _OPTIONAL},
                    engine=str(content.get("engine", NATIVE)),
                )
                connection.key  # noqa: B018 (raises when it is not hexadecimal)
                connection.socket_path or connection.route or connection.host_and_port  # noqa: B018 (raises when it is neither)
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
    def engine_at(path: Path) -> str:
        """The engine that a connection file names; `native` where it cannot be read, as whoever loads it will say."""
        try:
            return str(json.loads(path.read_bytes()).get("engine", NATIVE))
        except (OSError, ValueError, AttributeError):
            return NATIVE

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


def joined_place(host: str, port: int) -> str:
    """The opposite of `split_place`."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


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
