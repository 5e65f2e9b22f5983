"""The errors that are kubefuture's own.

An exception raised by the user's function arrives as itself, with the remote traceback as its
cause. Everything else that can go wrong is in this tree, and each message says what happened, the
likely cause, the next step, and on which host::

    KubefutureError
    ├── PlanError             a plan or an option that cannot be
    ├── MissingFileError      a file of the project that is not there
    ├── UnpicklableError      something that cannot be sent, named before anything was
    ├── BrokenPoolError       an executor whose initializer failed
    ├── ResultError           a result or an exception that cannot be brought back
    ├── ClusterError          the cluster cannot be used
    │   ├── NotUpError        there is no cluster: `make up` first
    │   ├── NoAnswerError     it does not answer
    │   ├── LoginError        one side could not prove that it knows the token
    │   └── VersionError      both sides answer, but do not fit together
    ├── ProtocolError         the other side said something that no rule allows
    ├── PoisonError           an element whose slot died again and again
    ├── NamedMapError         a named map that cannot be begun, or cannot be had
    ├── JournalError          the journal of named work cannot be used, or not for this
    │   └── JournalBusyError  another process has it open
    └── StartError            a program of ours could not start
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import BrokenExecutor


class KubefutureError(Exception):
    """Base of all errors that are not the user's own."""


class PlanError(KubefutureError, ValueError):
    """A plan, a number of workers or an option that cannot be."""


class MissingFileError(KubefutureError, FileNotFoundError):
    """A file of the project that is not there."""


class UnpicklableError(KubefutureError, TypeError):
    """A function or an argument that cannot be sent."""


class ResultError(KubefutureError):
    """A result or an exception of the user's function that cannot be brought back."""


class BrokenPoolError(KubefutureError, BrokenExecutor):
    """An executor whose initializer failed; it takes nothing more."""


class NamedMapError(KubefutureError):
    """A named map that cannot be begun because its name is taken, or cannot be had."""


class ClusterError(KubefutureError, ConnectionError):
    """The cluster cannot be used."""


class NotUpError(ClusterError):
    """There is no cluster here."""


class NoAnswerError(ClusterError):
    """The cluster does not answer, or stopped answering."""


class LoginError(ClusterError):
    """One side could not prove that it knows the token."""


class VersionError(ClusterError):
    """Client, scheduler and worker do not fit together."""


class ProtocolError(KubefutureError):
    """The other side said something that no rule allows."""


class PoisonError(KubefutureError):
    """An element killed its slot too often; its siblings were finished first.

    Attributes:
        index: The element's index in its map.
        reasons: How each of the slots ended.
        hosts: Where each of them ran.
        last_lines: What the last of them had printed on the element before it ended: at most 20 lines.
    """

    def __init__(
        self,
        message: str,
        index: int = 0,
        reasons: Iterable[str] = (),
        hosts: Iterable[str] = (),
        last_lines: Iterable[str] = (),
    ) -> None:
        super().__init__(message)
        self.index = index
        self.reasons = tuple(reasons)
        self.hosts = tuple(hosts)
        self.last_lines = tuple(last_lines)

    def __reduce__(self) -> tuple[type[PoisonError], tuple[object, ...]]:
        return type(self), (str(self), self.index, self.reasons, self.hosts, self.last_lines)


class JournalError(KubefutureError):
    """The journal of named work cannot be used, or cannot take this."""


class JournalBusyError(JournalError):
    """Another process has the journal open."""


class StartError(KubefutureError):
    """A program of ours could not start."""
