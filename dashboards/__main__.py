"""Write the dashboards: python -m dashboards"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from dashboards.peaks import peaks
from dashboards.spill import spill

FOLDER: Final = Path(__file__).parent

DASHBOARDS: Final = {"spill": spill, "peaks": peaks}
"""What makes the text of NAME.json."""

if __name__ == "__main__":
    for name, build in DASHBOARDS.items():
        (FOLDER / f"{name}.json").write_text(build(), encoding="utf-8")
