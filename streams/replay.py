"""Asking for a replay: the spill, the menu and the experiment must fit each other."""

from __future__ import annotations

from pathlib import Path

from streams.catalogue import load_menu, names
from streams.metrics import parse_address
from streams.spill.reader import SpillReader
from streams.stages.request import Request
from trigger.errors import KtrigError
from trigger.experiment import ExperimentError
from trigger.frames import BLOCK_FRAMES


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
    loaded, known = load_menu(menu, experiment if profile is None else profile)
    if known.name != experiment:
        raise ReplayError(f"{spill}: is of the experiment {experiment!r}, the profile is of {known.name!r}")
    for name in detectors:
        try:
            known.find(name)
        except ExperimentError as wrong:
            raise ReplayError(f"{spill}: {wrong}") from None
    return Request(spill, loaded, known, speed, metrics, block_frames)
