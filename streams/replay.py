"""Asking for a replay: the spills, the menu and the experiment must fit each other."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from streams.accepted_form import is_accepted_file
from streams.catalogue import load_menu, names
from streams.metrics import parse_address
from streams.monitors.snapshot_file import read_snapshot
from streams.saved_counters import read_counters
from streams.spill.layout import SpillHeader
from streams.spill.reader import SpillReader
from streams.stages.request import Request
from streams.wire.endpoint import check_endpoint
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
    workers: int | None = None,
    no_l1: bool = False,
    no_searches: bool = False,
    block_frames: int | None = None,
    **options: Any,
) -> Request:
    """Open the spills, the menu and the profile (by default that of the spill's experiment) to see that they fit.

    require_all: every line must be able to fire. counters: a report whose final counters are the first ones here.
    workers: for L1, None for one a core. no_l1: leave L1 out; else it runs if the menu has it and a spill has hits.
    no_searches: leave out what the searches make of its events.
    block_frames: None for blocks that come as often at a higher speed as at that of the beam.
    options: the other fields of Request. Raises KtrigError that names what does not fit.
    """
    if options.get("metrics") is not None:
        parse_address(options["metrics"])
    (loaded,), known = load_fitting(spills, [menu], profile)
    if require_all:
        for spill in dict.fromkeys(spills):
            _require_all(spill, loaded, known)
    if options.get("line") is not None:
        _check_line(options["line"], loaded)
    l1 = not no_l1 and loaded.l1 is not None and any(_has_hits(spill) for spill in dict.fromkeys(spills))
    if l1:
        _check_windows(spills, loaded)
    if options.get("publish") is not None:
        check_endpoint(options["publish"])
    if options.get("out") is not None:
        _check_out(options["out"], spills, loaded, l1)
    return Request(
        tuple(spills),
        loaded,
        known,
        counters=read_counters(counters, loaded) if counters else {},
        l1=l1,
        searches=l1 and not no_searches,
        snapshot_spills=_check_snapshot(options.get("snapshot"), loaded, known),
        workers=workers or len(os.sched_getaffinity(0)),
        block_frames=block_frames or BLOCK_FRAMES * max(math.ceil(options.get("speed") or 1), 1),
        **options,
    )


def load_fitting(
    spills: Sequence[Path], menus: Iterable[str], profile: str | None
) -> tuple[tuple[Menu, ...], Experiment]:
    """Load menus, and the profile (by default that of the spills' experiment), that fit the spills and each other.

    Raises KtrigError that names what does not.
    """
    experiment = _header(spills[0])[0].experiment
    if profile is None and experiment not in names("experiments"):
        raise ReplayError(
            f"{spills[0]}: is of the experiment {experiment!r}, of which ktrig has no profile; name yours with "
            "--experiment"
        )
    loaded = [load_menu(menu, experiment if profile is None else profile) for menu in menus]
    known = loaded[0][1]
    for spill in dict.fromkeys(spills):
        _check_spill(spill, known)
    return tuple(menu for menu, _ in loaded), known


def _header(spill: Path) -> tuple[SpillHeader, list[str]]:
    with SpillReader(spill) as reader:
        return reader.header, reader.detectors


def _check_spill(spill: Path, known: Experiment) -> None:
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


def _require_all(spill: Path, menu: Menu, known: Experiment) -> None:
    for line in activity(menu, known, _header(spill)[1]):
        for reason in [line.reason] if not line.active else line.unapplied:
            raise ReplayError(
                f"{spill}: line {line.name}: {reason}; give a spill with all detectors, or leave out --require-all"
            )


def _check_line(name: str, menu: Menu) -> None:
    known = [line.name for _row, line in menu.rows]
    if name not in known:
        raise ReplayError(f"--line {name}: is not in the menu {menu.name}; it has {', '.join(known)}")


def _has_hits(spill: Path) -> bool:
    with SpillReader(spill) as reader:
        return bool(reader.optional.hits)


def _check_windows(spills: Sequence[Path], menu: Menu) -> None:
    """The window of an algorithm must lie inside of what was read out."""
    used = {step.call.name for line in menu.line for step in line.l1} - {"STRAW"}
    assert menu.l1 is not None
    for spill in dict.fromkeys(spills):
        with SpillReader(spill) as reader:
            readout = reader.optional.readout
        for name in sorted(used if readout else ()):
            half = menu.l1.window_ns(name)
            begin, end = readout.windows.get(name, (0.0, 0.0)) if readout else (0.0, 0.0)
            if name in (readout.windows if readout else ()) and not (begin <= -half and half <= end):
                raise ReplayError(
                    f"{spill}: /readout has hits of {name} from {begin:g} to {end:g} ns about a trigger, the menu "
                    f"{menu.name} looks at {half:g} ns on either side (windows_ns); make it narrower, or simulate "
                    f"with --window {name}={-half:g}:{half:g}"
                )


def _check_snapshot(path: Path | None, menu: Menu, known: Experiment) -> int:
    """A snapshot to go on from must be of the menu and experiment; one to write needs a place. Return its spills."""
    if path is None:
        return 0
    if not path.parent.is_dir():
        raise ReplayError(f"--snapshot {path}: there is no folder {path.parent}; make it, or name another")
    if path.is_dir():
        raise ReplayError(f"--snapshot {path}: is a folder; name a file in it")
    if not path.exists():
        return 0
    there = read_snapshot(path)
    for what, mine, its in (
        ("experiment", known.name, there.experiment),
        ("menu", menu.name, there.menu),
        ("menu", f"{menu.name} of hash {menu.hash[:12]}", f"{there.menu} of hash {there.menu_hash[:12]}"),
    ):
        if mine != its:
            raise ReplayError(
                f"--snapshot {path}: is of the {what} {its}, the replay of {mine}; their spectra do not add up, name "
                "another file"
            )
    return there.spills


def _check_out(out: Path, spills: Sequence[Path], menu: Menu, l1: bool) -> None:
    """A file of accepted events needs L1, a place, and must not take that of another file."""
    if not l1:
        why = f"the menu {menu.name} has no [l1]" if menu.l1 is None else f"{spills[0]} has no hits"
        raise ReplayError(f"--out {out}: L1 does not run, because {why}; leave it out, or give another")
    if not out.parent.is_dir():
        raise ReplayError(f"--out {out}: there is no folder {out.parent}; make it, or name another")
    if out.is_dir() or out.name == "":
        raise ReplayError(f"--out {out}: is a folder; name a file in it")
    if out.exists() and not is_accepted_file(out):
        raise ReplayError(
            f"--out {out}: is there, and no file of accepted events; name another, or remove it"
        )
