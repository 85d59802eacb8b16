"""What a simulated spill depends on: the same settings give the same file."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from trigger.clock import frames_in
from trigger.errors import KtrigError

MAX_INTENSITY_MHZ: Final = 5000.0
"""The experiment's own intensity templates end here."""

MAX_DURATION_S: Final = 60.0
"""Longer than any slow extraction."""

MAX_SCALE: Final = 100.0
"""Largest multiple of the profile's rates of accidentals and halo."""

MIN_DUTY_FACTOR: Final = 0.5
DUTY_FACTOR: Final = 0.90
"""Middle of the 0.87 to 0.92 seen in 5 ms bins on good plateaus."""

MAX_SEED: Final = 2**63 - 1

TRIGGERED, SIGNAL, FIDUCIAL = TRUTHS = ("triggered", "signal", "fiducial")
"""Decays whose truth is kept: those that fired the L0 detectors around a trigger of the hit menu; with them all
decays in the modes of `signals`; with them all in the fiducial volume."""


class SimulationError(KtrigError):
    """A setting that cannot be simulated."""


@dataclass(frozen=True)
class SimulationSettings:
    """A spill to simulate.

    intensity_mhz: mean intensity of the beam over the spill. duration_s: length of the spill, rounded up to
    whole frames. flat: constant intensity. profile: a file with a measured intensity
    against time, '' for none. duty_factor: <I>^2/<I^2> of the plateau in 5 ms bins. accidentals,
    halo: multiples of the profile's rates, 0 is off. signals: decay modes as `--signal` takes them. truth: one of
    TRUTHS.

    Raises SimulationError for a value out of range.
    """

    intensity_mhz: float
    duration_s: float
    seed: int
    flat: bool = False
    profile: str = ""
    duty_factor: float = DUTY_FACTOR
    accidentals: float = 1.0
    halo: float = 1.0
    signals: tuple[str, ...] = ()
    truth: str = TRIGGERED

    def __post_init__(self) -> None:
        _above_zero("intensity", self.intensity_mhz, MAX_INTENSITY_MHZ, "MHz")
        _above_zero("duration", self.duration_s, MAX_DURATION_S, "s")
        _within("duty factor", self.duty_factor, MIN_DUTY_FACTOR, 1.0)
        _within("accidentals", self.accidentals, 0.0, MAX_SCALE)
        _within("halo", self.halo, 0.0, MAX_SCALE)
        if self.flat and self.profile:
            raise SimulationError(f"profile {self.profile!r} cannot be flat; leave out --flat or --profile")
        if self.truth not in TRUTHS:
            raise SimulationError(f"truth is {self.truth!r}; give one of {', '.join(TRUTHS)}")
        if not 0 <= self.seed <= MAX_SEED:
            raise SimulationError(f"seed is {self.seed}; give a whole number from 0 to 2^63 - 1")

    @property
    def n_frames(self) -> int:
        """Frames of the spill, at least one."""
        return max(1, frames_in(self.duration_s))


def _above_zero(what: str, value: float, most: float, unit: str) -> None:
    if not (math.isfinite(value) and 0 < value <= most):
        raise SimulationError(f"{what} is {value:g} {unit}; give more than 0, at most {most:g} {unit}")


def _within(what: str, value: float, least: float, most: float) -> None:
    if not (math.isfinite(value) and least <= value <= most):
        raise SimulationError(f"{what} is {value:g}; give {least:g} to {most:g}")
