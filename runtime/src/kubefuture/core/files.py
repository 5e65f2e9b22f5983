"""Files that are replaced as a whole: whoever reads one finds the text before or the text after, never a part."""

from __future__ import annotations

import os
from pathlib import Path


def replace_private(path: Path, text: str) -> None:
    """Writes a secret, so that it is never half there, nobody else can ever read it, and it survives a crash.

    Args:
        path: The file; its folder exists.
        text: What it is to hold.

    Raises:
        OSError: It cannot be written, and is as it was.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def replace_text(path: Path, text: str) -> None:
    """Writes a file, all or nothing.

    Args:
        path: The file; its folder exists.
        text: What it is to hold.

    Raises:
        OSError: It cannot be written, and is as it was.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_text(text, encoding="utf-8")
        os.replace(draft, path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
