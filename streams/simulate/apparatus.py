"""The experiment as the simulation sees it: profiles/NAME.toml, as NamedTuples that kernels take."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from typing import Annotated, Any, Final, NamedTuple

from streams.simulate.beam import Beam
from streams.simulate.detectors.background import Background
from streams.simulate.detectors.chod import Chod
from streams.simulate.detectors.gtk import Gtk
from streams.simulate.detectors.ktag import Ktag
from streams.simulate.detectors.lav import Lav
from streams.simulate.detectors.lkr import Lkr
from streams.simulate.detectors.muv3 import Muv3
from streams.simulate.detectors.newchod import NewChod
from streams.simulate.detectors.rich import Rich
from streams.simulate.detectors.small_angle import SmallAngle
from streams.simulate.detectors.straw import Straw
from streams.simulate.detectors.track import Magnet
from streams.simulate.settings import SimulationError
from streams.simulate.tables import read_table
from trigger.jit import named


class Apparatus(NamedTuple):
    """All parts; each is defined in the file that simulates it.

    fiducial_mm: first and last z of the volume in which decays are counted. l0_cluster_ns: how long after the
    first hit others join its primitive, for each L0 detector in the order of its inputs.
    """

    beam: Beam
    magnet: Magnet
    lav: Lav
    small_angle: SmallAngle
    rich: Rich
    chod: Chod
    newchod: NewChod
    muv3: Muv3
    lkr: Lkr
    background: Background
    ktag: Ktag
    gtk: Gtk
    straw: Straw
    fiducial_mm: Annotated[tuple[float, ...], 2]
    l0_cluster_ns: Annotated[tuple[float, ...], 6]


APPARATUS: Final = named(Apparatus)

READOUT: Final = "readout"
"""The table of a profile that no kernel takes."""


def load_apparatus(experiment: str) -> Apparatus:
    """Load the apparatus of an experiment. Raises SimulationError if there is none, or it is wrong."""
    profile = _profile(experiment)
    return read_table(Apparatus, {k: v for k, v in profile.items() if k != READOUT}, _place(experiment))


def load_windows(experiment: str) -> dict[str, tuple[float, float]]:
    """Load the readout windows of an experiment: detector -> (begin, end), ns relative to the trigger time."""
    windows = _profile(experiment)[READOUT]
    return {name: (float(begin), float(end)) for name, (begin, end) in windows.items()}


def _place(experiment: str) -> str:
    return f"profiles/{experiment}.toml"


def _profile(experiment: str) -> dict[str, Any]:
    folder = files("streams.simulate.profiles")
    known = sorted(p.name.removesuffix(".toml") for p in folder.iterdir() if p.name.endswith(".toml"))
    if experiment not in known:
        raise SimulationError(f"{experiment} cannot be simulated; there are numbers for {', '.join(known)}")
    return tomllib.loads((folder / f"{experiment}.toml").read_text(encoding="utf-8"))
