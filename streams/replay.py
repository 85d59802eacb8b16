"""Asking for a replay: the spills, the menu and the experiment must fit each other."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from streams.catalogue import load_menu, names
from streams.metrics import parse_address
from streams.spill.layout import SpillHeader
from streams.spill.reader import SpillReader
from streams.stages.request import Request
from trigger.activity import activity
from trigger.errors import KtrigError
from trigger.experiment import Experiment, ExperimentError
from trigger.frames import BLOCK_FRAMES
from trigger.menu import Menu


class ReplayError(KtrigError):
    """A spill that cannot be replayed as asked."""


def make_request(
    spills: Sequence[Path],
    menu: str,
    profile: str | None,
    *,
    require_all: bool = False,
    counters: Path | None = None,
    block_frames: int | None = None,
    **options: Any,
) -> Request:
    """Open the spills, the menu and the profile (by default that of the spill's experiment) to see that they fit.

    require_all: every line must be able to fire. counters: a report whose final counters are the first ones here.
    block_frames: None for blocks that come as often at a higher speed as at that of the beam.
    options: the other fields of Request. Raises KtrigError that names what does not fit.
    """
    if options.get("metrics") is not None:
        parse_address(options["metrics"])
    loaded, known = load_for(spills[0], menu, profile)
    for spill in dict.fromkeys(spills):
        _check_spill(spill, loaded, known, require_all)
    if options.get("line") is not None:
        _check_line(options["line"], loaded)
    return Request(
        tuple(spills),
        loaded,
        known,
        counters=read_counters(counters, loaded) if counters else {},
        block_frames=block_frames or BLOCK_FRAMES * max(math.ceil(options.get("speed") or 1), 1),
        **options,
    )


def load_for(spill: Path, menu: str, profile: str | None) -> tuple[Menu, Experiment]:
    """Load a menu and the profile for a spill. Raises KtrigError."""
    experiment = _header(spill)[0].experiment
    if profile is None and experiment not in names("experiments"):
        raise ReplayError(
            f"{spill}: is of the experiment {experiment!r}, of which ktrig has no profile; name yours with "
            "--experiment"
        )
    return load_menu(menu, experiment if profile is None else profile)


def _header(spill: Path) -> tuple[SpillHeader, list[str]]:
    with SpillReader(spill) as reader:
        return reader.header, reader.detectors


def _check_spill(spill: Path, menu: Menu, known: Experiment, require_all: bool) -> None:
    header, detectors = _header(spill)
    if not detectors:
        raise ReplayError(f"{spill}: has no detectors; write the file again, or give another")
    if known.name != header.experiment:
        raise ReplayError(
            f"{spill}: is of the experiment {header.experiment!r}, the profile is of {known.name!r}"
        )
    for name in detectors:
        try:
            known.find(name)
        except ExperimentError as wrong:
            raise ReplayError(f"{spill}: {wrong}") from None
    if require_all:
        for line in activity(menu, known, detectors):
            reasons = [line.reason] if not line.active else line.unapplied
            for reason in reasons:
                raise ReplayError(
                    f"{spill}: line {line.name}: {reason}; give a spill with all detectors, or leave out "
                    "--require-all"
                )


def _check_line(name: str, menu: Menu) -> None:
    known = [line.name for _row, line in menu.rows]
    if name not in known:
        raise ReplayError(f"--line {name}: is not in the menu {menu.name}; it has {', '.join(known)}")


def read_counters(path: Path, menu: Menu) -> dict[str, int]:
    """Read the final downscaling counters from a report that `ktrig replay --json` printed. Raises ReplayError."""
    remedy = "give a report that `ktrig replay --json` printed"
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except OSError as wrong:
        raise ReplayError(f"--counters {path}: {wrong.strerror}; {remedy}") from None
    except (ValueError, RecursionError):
        raise ReplayError(f"--counters {path}: is not JSON; {remedy}") from None
    found = report.get("downscaling_counters") if isinstance(report, Mapping) else None
    if not isinstance(found, Mapping):
        raise ReplayError(f"--counters {path}: has no downscaling_counters; {remedy}")
    if report.get("menu_hash") != menu.hash:
        raise ReplayError(
            f"--counters {path}: is of the menu {report.get('menu')} with another content (menu_hash "
            f"{str(report.get('menu_hash'))[:12]}, here {menu.hash[:12]}); play both spills with one menu"
        )
    counters = {}
    for _row, line in menu.rows:
        value = found.get(line.name, {}).get("end") if isinstance(found.get(line.name), Mapping) else None
        if type(value) is not int or not 0 <= value < line.downscaling:
            raise ReplayError(
                f"--counters {path}: downscaling_counters.{line.name}.end must be a whole number from 0 to "
                f"{line.downscaling - 1} (is {value!r}); {remedy}"
            )
        counters[line.name] = value
    return counters
