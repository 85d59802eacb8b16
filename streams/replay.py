"""Asking for a replay: the spill, the menu and the experiment must fit each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from streams.catalogue import load_menu, names
from streams.metrics import parse_address
from streams.spill.reader import SpillReader
from streams.stages.request import Request
from trigger.errors import KtrigError
from trigger.experiment import Experiment, ExperimentError
from trigger.frames import BLOCK_FRAMES
from trigger.menu import Menu


class ReplayError(KtrigError):
    """A spill that cannot be replayed as asked."""


def make_request(
    spill: Path,
    menu: str,
    profile: str | None,
    speed: float | None,
    metrics: str | None,
    block_frames: int = BLOCK_FRAMES,
) -> Request:
    """Open the spill, the menu and the profile (by default that of the spill's experiment) to see that they fit.

    Raises KtrigError that names what does not.
    """
    if metrics is not None:
        parse_address(metrics)
    (loaded,), known = load_fitting(spill, [menu], profile)
    return Request(spill, loaded, known, speed, metrics, block_frames)


def load_fitting(
    spill: Path, menus: Sequence[str], profile: str | None
) -> tuple[tuple[Menu, ...], Experiment]:
    """Load menus, and the profile (by default that of the spill's experiment), that fit the spill and each other.

    Raises KtrigError that names what does not.
    """
    with SpillReader(spill) as reader:
        experiment = reader.header.experiment
        detectors = reader.detectors
    if not detectors:
        raise ReplayError(f"{spill}: has no detectors; write the file again, or give another")
    if profile is None and experiment not in names("experiments"):
        raise ReplayError(
            f"{spill}: is of the experiment {experiment!r}, of which ktrig has no profile; name yours with "
            "--experiment"
        )
    loaded = [load_menu(menu, experiment if profile is None else profile) for menu in menus]
    known = loaded[0][1]
    if known.name != experiment:
        raise ReplayError(f"{spill}: is of the experiment {experiment!r}, the profile is of {known.name!r}")
    for name in detectors:
        try:
            known.find(name)
        except ExperimentError as wrong:
            raise ReplayError(f"{spill}: {wrong}") from None
    return tuple(menu for menu, _ in loaded), known
