"""An experiment: its beam, spill and detectors, and the names of their primitive bits."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from functools import cached_property
from typing import Annotated, Final

from pydantic import Field, model_validator

from trigger.errors import KtrigError
from trigger.toml_source import NEAR, Name, Real, Table, Whole, Word, fault, parse

N_DETECTORS: Final = 7
"""Detector inputs of the L0 processor."""

CALIBRATION_BIT: Final = 15
"""Bit 15 of an ID marks a calibration primitive; conditions use bits 0 to 14."""


class ExperimentError(KtrigError):
    """An experiment profile, or a name looked up in it, that is wrong."""


class Detector(Table):
    """A detector that sends L0 primitives; `index` is its input, and two names of one bit are aliases."""

    name: Word
    index: Annotated[Whole, Field(ge=0, lt=N_DETECTORS)]
    title: str
    bits: dict[Word, Annotated[Whole, Field(ge=0, lt=CALIBRATION_BIT)]]


class Spill(Table):
    """The time structure of the spill."""

    duration_s: Annotated[Real, Field(gt=0)]


class Beam(Table):
    """The beam at the entrance of the decay volume."""

    nominal_intensity_mhz: Annotated[Real, Field(gt=0)]
    intensity_detector: str
    primitives_per_beam_particle: Annotated[Real, Field(gt=0)]


class Experiment(Table):
    """A profile from experiments/*.toml."""

    name: Name
    title: str
    beam: Beam
    spill: Spill
    detector: tuple[Detector, ...]

    @model_validator(mode="after")
    def _names_are_unique(self) -> Experiment:
        for i, detector in enumerate(self.detector):
            for other in self.detector[:i]:
                for what in ("name", "index"):
                    value = getattr(detector, what)
                    if value == getattr(other, what):
                        raise fault(
                            ("detector", i, what), f"two detectors have the {what} {value}; give each its own"
                        )
        if self.beam.intensity_detector not in {d.name for d in self.detector}:
            name = self.beam.intensity_detector
            raise fault(
                ("beam", "intensity_detector"), f"{name} is not among the detectors; name one of them"
            )
        return self

    @classmethod
    def from_toml(cls, text: str, source: str) -> Experiment:
        """Parse a profile; `source` names the file in errors (ExperimentError)."""
        return parse(cls, text, source, ExperimentError)

    @cached_property
    def _by_name(self) -> dict[str, Detector]:
        return {d.name: d for d in self.detector}

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the detectors at inputs 0 to 6 of the L0 processor, '' where there is none."""
        names = {d.index: d.name for d in self.detector}
        return tuple(names.get(i, "") for i in range(N_DETECTORS))

    def find(self, name: str) -> Detector:
        """Return the detector called `name`. Raises ExperimentError with the known names."""
        if name not in self._by_name:
            near = _near(name, self._by_name)
            raise ExperimentError(f"{self.name} has no detector {name!r}; {near}")
        return self._by_name[name]

    def bit(self, condition: str) -> tuple[Detector, int]:
        """Resolve `DETECTOR.BIT`, or a BIT name that only one detector has, to (detector, bit number).

        Raises ExperimentError that names the choices.
        """
        head, dot, tail = condition.partition(".")
        if dot:
            detector = self.find(head)
            if tail not in detector.bits:
                raise ExperimentError(f"{head} has no bit {tail!r}; {_near(tail, detector.bits)}")
            return detector, detector.bits[tail]
        owners = [d for d in self.detector if condition in d.bits]
        if len(owners) > 1:
            choices = " or ".join(f"{d.name}.{condition}" for d in owners)
            raise ExperimentError(f"{condition!r} is ambiguous; write {choices}")
        if not owners:
            raise ExperimentError(f"unknown condition {condition!r}; {self._meant(condition)}")
        return owners[0], owners[0].bits[condition]

    def _meant(self, condition: str) -> str:
        """Guess what an unknown condition was meant to be."""
        bits = [b for d in self.detector for b in d.bits]
        if condition in self._by_name:
            choices = ", ".join(f"{condition}.{b}" for b in self._by_name[condition].bits)
            return f"{condition} is a detector, write one of its bits: {choices}"
        if condition.startswith("n") and condition[1:] in bits:
            return f"write !{condition[1:]} for a veto"
        return _near(condition, bits)


def _near(name: str, known: Iterable[str]) -> str:
    """Suggest the known names nearest to `name`, or list them all."""
    folded = {k.casefold(): k for k in known}
    exact = [name.casefold()] if name.casefold() in folded else []
    near = exact or get_close_matches(name.casefold(), folded, cutoff=NEAR)
    suggestion = " or ".join(folded[n] for n in near)
    return f"did you mean {suggestion}?" if near else f"known are {', '.join(folded.values())}"
