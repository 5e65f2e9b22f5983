"""Files that are replaced as a whole: whoever reads one finds the text before or the text after, never a part."""

from __future__ import annotations

import os
from pathlib import Path


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
