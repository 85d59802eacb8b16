"""The response table: which primitives each decay fires, with which probability."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from importlib.resources import files
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, model_validator

from streams.simulate.settings import SimulationError
from trigger.toml_source import Table, parse

Positive = Annotated[float, Field(gt=0)]
Probability = Annotated[float, Field(ge=0, le=1)]
Alternatives = Probability | dict[str, Probability]

ROUNDING: Final = 1e-9
"""By how much written probabilities may exceed 1."""


class Firing(BaseModel):
    """What fires: fields that are not declared here are detectors.

    A detector's value is the probability that it fires, or conditions (names in one string) -> probability.
    Detectors fire independently of each other.
    """

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)
    __pydantic_extra__: dict[str, Alternatives] = Field(init=False)
    name: str

    @property
    def detectors(self) -> dict[str, dict[str, float]]:
        """Detector -> {conditions: probability}; what is missing to 1 is silence."""
        extra: Mapping[str, Alternatives] = self.__pydantic_extra__
        return {d: given if isinstance(given, dict) else {"": given} for d, given in extra.items()}

    @model_validator(mode="after")
    def _probabilities_fit(self) -> Firing:
        for detector, alternatives in self.detectors.items():
            if sum(alternatives.values()) > 1 + ROUNDING:
                raise ValueError(
                    f"{self.name}: probabilities of {detector} add up to more than 1; lower them"
                )
        return self


class Topology(Firing):
    """An exclusive way in which a decay mode shows, with its share of the mode."""

    share: Probability


class Background(Firing):
    """Primitives that no decay makes, with their rate at the table's nominal intensity."""

    rate_mhz: Annotated[float, Field(ge=0)]


class Parent(Table):
    """A beam particle that decays: its fraction of the beam, and the probability that it does."""

    beam_fraction: Probability
    decay_probability: Probability


class Mode(Table):
    """A decay mode."""

    name: str
    parent: str
    branching_ratio: Probability
    topology: tuple[Topology, ...]

    @model_validator(mode="after")
    def _shares_fit(self) -> Mode:
        if sum(t.share for t in self.topology) > 1 + ROUNDING:
            raise ValueError(f"{self.name}: shares of topologies add up to more than 1; lower them")
        return self


class ResponseTable(Table):
    """The table of an experiment, from NAME.toml beside this file."""

    experiment: str
    nominal_intensity_mhz: Positive
    resolution_ns: dict[str, Positive]
    implies: dict[str, str]
    parent: dict[str, Parent]
    mode: tuple[Mode, ...]
    halo: tuple[Background, ...]
    accidental: tuple[Background, ...]

    @model_validator(mode="after")
    def _names_are_known(self) -> ResponseTable:
        for mode in self.mode:
            if mode.parent not in self.parent:
                raise ValueError(
                    f"{mode.name}: no parent {mode.parent}; it is one of {', '.join(self.parent)}"
                )
        for firing in self.firings():
            for unknown in firing.detectors.keys() - self.resolution_ns.keys():
                raise ValueError(f"{firing.name}: {unknown} has no resolution_ns; give it one")
        return self

    def firings(self) -> Iterator[Firing]:
        """Yield every row of the table."""
        for mode in self.mode:
            yield from mode.topology
        yield from self.halo
        yield from self.accidental

    def rates(self, accidentals: float, halo: float) -> Iterator[tuple[str, Firing, float]]:
        """Yield (source, row, rate per MHz of beam), backgrounds multiplied by the scales given."""
        for mode in self.mode:
            parent = self.parent[mode.parent]
            decays = parent.beam_fraction * parent.decay_probability * mode.branching_ratio
            for topology in mode.topology:
                yield mode.name, topology, decays * topology.share
        for source, rows, scale in (("halo", self.halo, halo), ("accidental", self.accidental, accidentals)):
            for row in rows:
                yield source, row, scale * row.rate_mhz / self.nominal_intensity_mhz

    def close(self, conditions: Iterable[str]) -> frozenset[str]:
        """Return the conditions and all that they imply."""
        closed = frozenset(conditions)
        while True:
            implied = (
                then.split() for given, then in self.implies.items() if closed.issuperset(given.split())
            )
            more = closed.union(*implied)
            if more == closed:
                return closed
            closed = more


def load_response(experiment: str) -> ResponseTable:
    """Load the table of an experiment. Raises SimulationError if there is none, or it is wrong."""
    folder = files("streams.simulate")
    known = sorted(p.name.removesuffix(".toml") for p in folder.iterdir() if p.name.endswith(".toml"))
    if experiment not in known:
        raise SimulationError(f"no response table for {experiment}; tables exist for {', '.join(known)}")
    source = f"simulate/{experiment}.toml"
    text = (folder / f"{experiment}.toml").read_text(encoding="utf-8")
    return parse(ResponseTable, text, source, SimulationError)
