"""The quality of a spill: all figures of the counts of one detector, and a verdict."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from trigger.clock import FRAME_S
from trigger.intensity.bins import BIN_S, FINE_BIN_S, BinCounts, Flags, count_bins
from trigger.intensity.duty import DutyFactor, dispersion, duty_of_counts
from trigger.intensity.gaps import Gap, gaps
from trigger.intensity.harmonics import Harmonic, harmonics
from trigger.intensity.span import BeamSpan, beam_span
from trigger.intensity.spike import StartSpike, start_spike
from trigger.intensity.spread import Spread, spread
from trigger.intensity.turn import TurnLine, turn_line

Grade = Literal["good", "poor", "bad", "unknown"]

GOOD_DUTY: Final = 0.85
"""Duty factor in 5 ms of a good plateau, chosen. The beam-quality notes quote about 0.92 as counted where a flat beam
would give 0.98; run 8764 burst 500 has 0.87 as corrected for Poisson numbers, 0.96 without its clusters."""

BAD_DUTY: Final = 0.75
"""Below it a beam makes a fifth more of accidental coincidences than a good one. Chosen."""

POOR_MISSING, BAD_MISSING = 1e-3, 1e-2
"""Part of the beam time that is missing in gaps. Gaps of 1 ms occur in good spills: the first is four of them
in a spill. Chosen."""

POOR_LINE, BAD_LINE = 0.2, 0.4
"""Amplitude of a line: it takes 2% and 7% off the duty factor, 1 / (1 + a^2 / 2). 100 Hz, some 5 to 10% in a usual
spill, makes some worse (beam-quality notes). Chosen."""

CLEAR_LINE: Final = 3.0
"""Errors that a line must have to be a reason."""

LEAST_BINS: Final = 20
"""Bins of 5 ms that a verdict needs, 0.1 s: one period of the slowest ripple."""

LARGEST_ERROR: Final = 0.05
"""Error of the duty factor up to which there is a verdict: half of what is between good and bad."""


@dataclass(frozen=True)
class DutyFactors:
    """Duty factors of the plateau and of all of the beam, in bins of 5 and 1 ms; None with too few counts."""

    plateau_5ms: DutyFactor | None
    plateau_1ms: DutyFactor | None
    spill_5ms: DutyFactor | None
    spill_1ms: DutyFactor | None


@dataclass(frozen=True)
class BeamQuality:
    """Quality of the beam from the counts of one detector.

    counts: with beam; dispersion: their variance over mean within a frame, 1 for Poisson. effective_s: length of a
    flat spill with as many accidental coincidences, the declustered duty factor in 5 ms of all of the beam times its
    length. spread, harmonics: of the plateau. mains_hz: None if not told from 50 Hz. turn, gaps: of all of the beam.
    missing: part of the beam time that is missing in gaps. spike: None if the spill is a piece, or parts of it were
    not played.
    """

    span: BeamSpan
    counts: int
    dispersion: float | None
    duty: DutyFactors
    effective_s: float | None
    spread: Spread | None
    harmonics: tuple[Harmonic, ...]
    mains_hz: float | None
    turn: TurnLine | None
    gaps: tuple[Gap, ...]
    missing: float
    spike: StartSpike | None


@dataclass(frozen=True)
class Verdict:
    """How good a spill is, and each thing that makes it poor, bad or unknown."""

    grade: Grade
    reasons: tuple[str, ...] = ()


def beam_quality(frame_counts: NDArray[np.uint16], played: Flags, nominal_s: float) -> BeamQuality | None:
    """Measure the beam; None if no bin of 5 ms was played whole and has counts.

    frame_counts: uint16[n_frames] from SOB on, 0 where not played. played: bool[n_frames]. nominal_s: length of the
    experiment's spill.
    """
    coarse, fine = (count_bins(frame_counts, played, width_s) for width_s in (BIN_S, FINE_BIN_S))
    span = beam_span(coarse, len(played) * FRAME_S, nominal_s)
    if span is None:
        return None
    first, stop = span.frames
    begin, end = span.plateau_frames
    dispersed = dispersion(frame_counts[first:stop])
    duty = _duty_factors(coarse, fine, span, dispersed or 1.0)
    lines, mains_hz = harmonics(frame_counts[begin:end], played[begin:end])
    found = gaps(frame_counts[first:stop], played[first:stop], first)
    return BeamQuality(
        span=span,
        counts=int(frame_counts[first:stop].sum(dtype=np.int64)),
        dispersion=dispersed,
        duty=duty,
        effective_s=None if duty.spill_5ms is None else duty.spill_5ms.declustered * span.beam_s,
        spread=spread(coarse.between(*span.plateau_s)),
        harmonics=lines,
        mains_hz=mains_hz,
        turn=turn_line(frame_counts[first:stop]),
        gaps=found,
        missing=sum(gap.missing_s for gap in found) / span.beam_s,
        spike=start_spike(coarse, span),
    )


def _duty_factors(coarse: BinCounts, fine: BinCounts, span: BeamSpan, dispersed: float) -> DutyFactors:
    spill_s = span.begin_s, span.end_s
    return DutyFactors(
        plateau_5ms=duty_of_counts(coarse.between(*span.plateau_s), dispersed),
        plateau_1ms=duty_of_counts(fine.between(*span.plateau_s), dispersed),
        spill_5ms=duty_of_counts(coarse.between(*spill_s), dispersed),
        spill_1ms=duty_of_counts(fine.between(*spill_s), dispersed),
    )


def judge(quality: BeamQuality | None) -> Verdict:
    """Judge a beam by the thresholds of this module; the worst reason is the grade."""
    if unknown := _unknown(quality):
        return Verdict("unknown", (unknown,))
    assert quality is not None
    found = [*_reasons(quality)]
    grades = {grade for grade, _ in found}
    worst: Grade = "bad" if "bad" in grades else "poor" if "poor" in grades else "good"
    return Verdict(worst, tuple(reason for _, reason in found))


def _unknown(quality: BeamQuality | None) -> str:
    """Say why there is no verdict, '' if there is one."""
    if quality is None:
        return "no beam"
    n = 0 if quality.spread is None else quality.spread.n_bins
    if n < LEAST_BINS:
        return f"the plateau has {n} bins of 5 ms, {LEAST_BINS} are needed"
    duty = quality.duty.plateau_5ms
    if duty is None or duty.error > LARGEST_ERROR:
        how = "" if duty is None else f": the duty factor is known to {duty.error:.2f}"
        return f"too few counts ({quality.counts}){how}"
    return ""


def _reasons(quality: BeamQuality) -> Iterator[tuple[Grade, str]]:
    duty = quality.duty.plateau_5ms
    if duty is not None and duty.declustered < GOOD_DUTY:
        text = f"duty factor {duty.declustered:.3f}, good is {GOOD_DUTY:g} or more"
        yield ("bad" if duty.declustered < BAD_DUTY else "poor"), text
    if quality.missing > POOR_MISSING:
        text = f"gaps: {len(quality.gaps)}, {quality.missing:.1%} of the beam time is missing"
        yield ("bad" if quality.missing > BAD_MISSING else "poor"), text
    if quality.spike is not None and quality.spike.spike is not None:
        spike = quality.spike.spike
        text = f"start spike: {spike.factor:.1f} times the plateau for {spike.duration_s * 1e3:.0f} ms"
        yield "poor", text
    for name, amplitude, error in _lines(quality):
        if amplitude > POOR_LINE and amplitude > CLEAR_LINE * error:
            yield ("bad" if amplitude > BAD_LINE else "poor"), f"{name}: amplitude {amplitude:.0%}"


def _lines(quality: BeamQuality) -> Iterator[tuple[str, float, float]]:
    """Yield name, amplitude and error of the lines that were measured, and of the turn's if it is there."""
    for line in quality.harmonics:
        if line.amplitude is not None and line.error is not None:
            yield f"{line.frequency_hz:g} Hz", line.amplitude, line.error
    if quality.turn is not None and quality.turn.significance > CLEAR_LINE:
        yield "SPS turn", quality.turn.amplitude, quality.turn.error
