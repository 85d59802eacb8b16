"""Files that users name must be regular: a device or a pipe may have no end, or never begin."""

from __future__ import annotations

import stat
from pathlib import Path


def not_regular(path: Path) -> str | None:
    """Say what `path` is if it is not a regular file: 'a folder' or 'not a regular file'.

    Raises OSError if it is not there or cannot be looked at.
    """
    mode = path.stat().st_mode
    if stat.S_ISREG(mode):
        return None
    return "a folder" if stat.S_ISDIR(mode) else "not a regular file"
