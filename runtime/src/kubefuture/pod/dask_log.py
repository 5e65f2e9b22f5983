"""What Dask says of itself, line by line as our own programs say it, without what it says of each connection."""

from __future__ import annotations

import logging

from ..core.program import log

_QUIET = (
    "distributed.core",  # every connection that is opened and closed
    "distributed.worker",  # what it was started with, and every question; the rest is said by our own programs
    "distributed.diskutils",
    "distributed.http.proxy",
)
"""Of these only warnings and what is worse."""

_ALSO = ("tornado", "bokeh")


def log_as_we_do() -> None:
    """From now on; Dask is imported."""
    handler = _Lines()
    handler.addFilter(_is_no_probe)
    for name in ("distributed", *_ALSO):
        logger = logging.getLogger(name)
        logger.handlers[:] = [handler]
        logger.propagate = False
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


class _Lines(logging.Handler):
    """Each record as a line with its time."""

    def emit(self, record: logging.LogRecord) -> None:
        """Writes it."""
        words = self.format(record).strip("- \n")
        if words:
            level = "" if record.levelno <= logging.INFO else f"{record.levelname.lower()}: "
            log(f"dask: {level}{words}")


def _is_no_probe(record: logging.LogRecord) -> bool:
    """Whether a record is about more than somebody who looked whether anybody listens, and said nothing."""
    words = record.getMessage()
    return "handshake failed" not in words or not any(sign in words for sign in ("EOF", "Stream is closed"))
