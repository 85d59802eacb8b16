"""The experiment as the simulation sees it: profiles/NAME.toml, as NamedTuples that kernels take."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from typing import Final, NamedTuple

from streams.simulate.beam import Beam
from streams.simulate.settings import SimulationError
from streams.simulate.tables import read_table
from trigger.jit import named


class Apparatus(NamedTuple):
    """All parts; each is defined in the file that simulates it."""

    beam: Beam


APPARATUS: Final = named(Apparatus)


def load_apparatus(experiment: str) -> Apparatus:
    """Load the apparatus of an experiment. Raises SimulationError if there is none, or it is wrong."""
    folder = files("streams.simulate.profiles")
    known = sorted(p.name.removesuffix(".toml") for p in folder.iterdir() if p.name.endswith(".toml"))
    if experiment not in known:
        raise SimulationError(f"{experiment} cannot be simulated; there are numbers for {', '.join(known)}")
    text = (folder / f"{experiment}.toml").read_text(encoding="utf-8")
    try:
        return read_table(Apparatus, tomllib.loads(text), f"profiles/{experiment}.toml")
    except tomllib.TOMLDecodeError as wrong:
        raise SimulationError(f"profiles/{experiment}.toml: {wrong}") from None
