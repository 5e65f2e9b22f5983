"""How long a client tries to reach its scheduler, and what it says when it gives up."""

from __future__ import annotations

from ..core.connection import Connection
from ..core.notice import say
from ..core.settings import ENDED_SECONDS, FAR_RECONNECT_SECONDS, RECONNECT_SECONDS, REPLACED_SECONDS
from ..errors import LoginError, NoAnswerError, NotUpError, VersionError

_QUIET_TRIES = 3

ONCE_MORE = "the scheduler has not let this program in, and is asked once more"


def is_slow(error: OSError) -> bool:
    """Whether somebody is there and has not logged us in, for which either of us may have been too busy."""
    return isinstance(error, NoAnswerError | ConnectionResetError)


class Trying:
    """Tries to reach a scheduler.

    Args:
        connection: Where it is, or was.
        now: The time, in seconds that only count.
        first: The program has only begun, so whoever runs it is there to hear what is wrong. In a cluster the
            scheduler's pod may just be replaced.
    """

    def __init__(self, connection: Connection, now: float, *, first: bool = False) -> None:
        self._project = connection.project
        self._far = connection.route is not None
        self._patience = RECONNECT_SECONDS if connection.socket_path else FAR_RECONNECT_SECONDS
        self._first = first
        self._began = now
        self._failures = 0
        self._kind: type[OSError] = OSError
        self._since = now

    def failed(self, error: OSError, now: float) -> None:
        """Takes the end of a try; returns if there is to be another one.

        Args:
            error: What came of it.
            now: The time.

        Raises:
            LoginError: It is not the scheduler of the connection file, and that has not changed for a while:
                `make rotate` changes the file and the scheduler's pod one after the other.
            VersionError: Another try would come to the same.
            NoAnswerError: It has been tried for long enough.
            OSError: The same, of a program that has only begun.
        """
        self._failures += 1
        if isinstance(error, VersionError):
            raise error
        if self._first:
            self._begins(error, now)
            return
        if type(error) is not self._kind:
            self._kind, self._since = type(error), now
        lasting = now - self._since
        if isinstance(error, NotUpError):
            self._without_file(error, lasting)
        elif self._failures == _QUIET_TRIES and self._far:
            say("the connection to the scheduler is lost, and is tried again; the workers go on")
        if isinstance(error, LoginError) and (not self._far or lasting > REPLACED_SECONDS):
            raise error
        if now - self._began > self._patience:
            raise NoAnswerError(
                f"The scheduler of project {self._project} went away and has not come back for "
                f"{self._patience:.0f} s ({error}). What had not finished is lost; `make up` and run again."
            ) from None

    def _without_file(self, error: NotUpError, lasting: float) -> None:
        """`make down` takes the connection file away; without it nobody will come back."""
        if lasting > ENDED_SECONDS:
            raise NoAnswerError(
                f"The workers of project {self._project} were ended, as by `make down`: {error} What had not finished "
                "is lost; `make up` and run again."
            ) from None

    def _begins(self, error: OSError, now: float) -> None:
        if not self._far and self._failures == 1 and is_slow(error):
            say(ONCE_MORE)
            return
        # What opens the way into a cluster has waited by itself, and knows why there is none.
        if (
            not self._far
            or isinstance(error, NoAnswerError | NotUpError)
            or now - self._began > REPLACED_SECONDS
        ):
            raise error
        if self._failures == _QUIET_TRIES:
            say(
                "the scheduler does not answer as it should; its pod may just be replaced, so it is tried again"
            )
