"""A decay mode: what decays to what, how often, with which shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from streams.simulate.decays import tables
from trigger.particles import (
    ELECTRON,
    EXOTIC,
    GAMMA,
    KAON,
    M_ELECTRON_GEV,
    M_KAON_GEV,
    M_MUON_GEV,
    M_PI0_GEV,
    M_PION_GEV,
    MUON,
    NEUTRINO,
    PI0,
    PION,
)

PARENTS: Final = {"K+": (KAON, M_KAON_GEV), "pi+": (PION, M_PION_GEV), "pi0": (PI0, M_PI0_GEV)}
"""What decays: its number and mass."""

FOUR_E: Final = "4e"
"""Product that stands for e+ e- e+ e- by two virtual photons."""

PRODUCTS: Final = {
    "pi+": (PION, M_PION_GEV),
    "pi-": (-PION, M_PION_GEV),
    "pi0": (PI0, M_PI0_GEV),
    "mu+": (-MUON, M_MUON_GEV),
    "mu-": (MUON, M_MUON_GEV),
    "e+": (-ELECTRON, M_ELECTRON_GEV),
    "e-": (ELECTRON, M_ELECTRON_GEV),
    "nu": (NEUTRINO, 0.0),
    "gamma": (GAMMA, 0.0),
    FOUR_E: (0, 4 * M_ELECTRON_GEV),
    "X": (EXOTIC, 0.0),
}
"""What comes out: its number and mass. X has the mass of its mode."""

THREE_SHAPES: Final = {
    "": tables.PHASE_SPACE,
    "slopes": tables.SLOPES,
    "semileptonic": tables.SEMILEPTONIC,
    "bremsstrahlung": tables.BREMSSTRAHLUNG,
}
PAIR_SHAPES: Final = {
    "neutrinos": tables.NEUTRINOS,
    "leptons": tables.LEPTONS,
    "photons": tables.PHOTONS,
    "dalitz": tables.DALITZ,
}

EXOTIC_DECAYS: Final = {
    "inv": (tables.STABLE, 0.0),
    "ee": (tables.TO_EE, 2 * M_ELECTRON_GEV),
    "mumu": (tables.TO_MUMU, 2 * M_MUON_GEV),
    "gg": (tables.TO_GG, 0.0),
    "pi-e": (tables.TO_PI_E, M_PION_GEV + M_ELECTRON_GEV),
    "pi-mu": (tables.TO_PI_MU, M_PION_GEV + M_MUON_GEV),
    "ApAp": (tables.TO_PAIR, 0.0),
}
"""What an exotic particle decays to: its code and threshold in GeV."""


@dataclass(frozen=True)
class Mode:
    """A decay mode. name: what `--signal` calls it. parent, products: names in PARENTS and PRODUCTS.

    branching_ratio: of the parent. shape, parameters: see `shapes`. mass_gev: of each X. to: what X decays to, a name
    in EXOTIC_DECAYS, after ctau_mm. mass2_gev: of the two particles that X decays to with `ApAp`. signal: asked
    for by name.
    """

    name: str
    title: str
    parent: str
    products: tuple[str, ...]
    branching_ratio: float = 0.0
    shape: str = ""
    parameters: tuple[float, ...] = ()
    mass_gev: float = 0.0
    to: str = "inv"
    ctau_mm: float = 0.0
    mass2_gev: float = 0.0
    signal: bool = False

    @property
    def kind(self) -> int:
        """How its products are made, see `tables`."""
        if FOUR_E in self.products:
            return tables.FOUR_LEPTONS
        if len(self.products) == 2:
            return tables.TWO
        return tables.PAIR if self.shape in PAIR_SHAPES else tables.THREE

    @property
    def masses_gev(self) -> tuple[float, ...]:
        """Masses of the products."""
        return tuple(self.mass_gev if name == "X" else PRODUCTS[name][1] for name in self.products)

    @property
    def threshold_gev(self) -> float:
        """Mass that a parent must have at least."""
        return sum(self.masses_gev)

    def described(self) -> dict[str, Any]:
        """Return what a spill file says of it."""
        given = {"mass": self.mass_gev, "ctau": self.ctau_mm, "mass2": self.mass2_gev}
        parameters: dict[str, Any] = {name: value for name, value in given.items() if value}
        if "X" in self.products:
            parameters["to"] = self.to
        return {
            "name": self.name,
            "parent": self.parent,
            "branching_ratio": self.branching_ratio,
            "title": self.title,
            "parameters": parameters,
            "signal": self.signal,
        }
