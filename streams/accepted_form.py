"""How a file of accepted events is recognised, without what is needed to write one."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import h5py

from streams.spill.layout import attribute_text

FORMAT: Final = "ktrig-accepted"
VERSION: Final = 1


def is_accepted_file(path: Path) -> bool:
    """Whether a file is one of accepted events."""
    try:
        with h5py.File(path, "r") as file:
            return attribute_text(file.attrs.get("format")) == FORMAT
    except OSError:
        return False
