"""Downscaling counters that an earlier replay left: the end of its report is the start of the next one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from trigger.errors import KtrigError
from trigger.menu import Menu

REMEDY: Final = "give a report that `ktrig replay --json` printed"


class CountersError(KtrigError):
    """A report whose counters cannot be gone on from."""


def read_counters(path: Path, menu: Menu) -> dict[str, int]:
    """Read the final counters, by line, from a report that `ktrig replay --json` printed. Raises CountersError."""
    report = _report(path)
    found = report.get("downscaling_counters")
    if not isinstance(found, Mapping):
        raise CountersError(f"--counters {path}: has no downscaling_counters; {REMEDY}")
    if report.get("menu_hash") != menu.hash:
        raise CountersError(
            f"--counters {path}: is of the menu {report.get('menu')} with another content (menu_hash "
            f"{str(report.get('menu_hash'))[:12]}, here {menu.hash[:12]}); play both spills with one menu"
        )
    return {line.name: _end(path, found, line.name, line.downscaling) for _row, line in menu.rows}


def _report(path: Path) -> Mapping[str, Any]:
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except OSError as wrong:
        raise CountersError(f"--counters {path}: {wrong.strerror}; {REMEDY}") from None
    except (ValueError, RecursionError):
        raise CountersError(f"--counters {path}: is not JSON; {REMEDY}") from None
    return report if isinstance(report, Mapping) else {}


def _end(path: Path, counters: Mapping[str, Any], line: str, downscaling: int) -> int:
    counter = counters.get(line)
    value = counter.get("end") if isinstance(counter, Mapping) else None
    if type(value) is not int or not 0 <= value < downscaling:
        raise CountersError(
            f"--counters {path}: downscaling_counters.{line}.end must be a whole number from 0 to "
            f"{downscaling - 1} (is {value!r}); {REMEDY}"
        )
    return value
