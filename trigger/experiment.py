"""An experiment: its beam, spill and detectors, and the names of their primitive bits."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, model_validator

from trigger.errors import KtrigError
from trigger.toml_source import parse

CALIBRATION_BIT: Final = 15
"""Bit 15 of an ID marks a calibration primitive; conditions use bits 0 to 14."""


class ExperimentError(KtrigError):
    """An experiment profile, or a name looked up in it, that is wrong."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Detector(_Strict):
    """A detector that sends L0 primitives."""

    name: str
    index: Annotated[int, Field(ge=0, le=6)]
    title: str
    bits: dict[str, Annotated[int, Field(ge=0, lt=CALIBRATION_BIT)]]


class Spill(_Strict):
    """The time structure of the spill."""

    duration_s: Annotated[float, Field(gt=0)]


class Beam(_Strict):
    """The beam at the entrance of the decay volume."""

    nominal_intensity_mhz: Annotated[float, Field(gt=0)]
    intensity_detector: str
    primitives_per_beam_particle: Annotated[float, Field(gt=0)]


class Experiment(_Strict):
    """A profile from experiments/*.toml."""

    name: str
    title: str
    beam: Beam
    spill: Spill
    detector: tuple[Detector, ...]

    @model_validator(mode="after")
    def _names_are_unique(self) -> Experiment:
        for what, values in (
            ("name", [d.name for d in self.detector]),
            ("index", [d.index for d in self.detector]),
        ):
            twice = {v for v in values if values.count(v) > 1}
            if twice:
                first = sorted(twice, key=str)[0]
                raise ValueError(f"two detectors have the {what} {first}; give each its own")
        if self.beam.intensity_detector not in {d.name for d in self.detector}:
            raise ValueError(f"intensity_detector {self.beam.intensity_detector} is not among the detectors")
        return self

    @classmethod
    def from_toml(cls, text: str, source: str) -> Experiment:
        """Parse a profile; `source` names the file in errors (ExperimentError)."""
        return parse(cls, text, source, ExperimentError)

    @cached_property
    def _by_name(self) -> dict[str, Detector]:
        return {d.name: d for d in self.detector}

    def find(self, name: str) -> Detector:
        """Return the detector called `name`. Raises ExperimentError with the known names."""
        if name not in self._by_name:
            raise ExperimentError(
                f"{self.name} has no detector {name!r}; its detectors are {', '.join(self._by_name)}"
            )
        return self._by_name[name]

    def bit(self, condition: str) -> tuple[Detector, int]:
        """Resolve `DETECTOR.BIT`, or a BIT name that only one detector has, to (detector, bit number).

        Raises ExperimentError that names the choices.
        """
        head, dot, tail = condition.partition(".")
        if dot:
            detector = self.find(head)
            if tail not in detector.bits:
                raise ExperimentError(f"{head} has no bit {tail!r}; its bits are {', '.join(detector.bits)}")
            return detector, detector.bits[tail]
        owners = [d for d in self.detector if condition in d.bits]
        if len(owners) > 1:
            choices = " or ".join(f"{d.name}.{condition}" for d in owners)
            raise ExperimentError(f"{condition!r} is ambiguous; write {choices}")
        if not owners:
            known = ", ".join(b for d in self.detector for b in d.bits)
            raise ExperimentError(f"unknown condition {condition!r}; {self.name} knows {known}")
        return owners[0], owners[0].bits[condition]
