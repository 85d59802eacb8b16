"""The spill monitor: intensity along the spill, its quality, and the trigger lines against it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from trigger.clock import FRAME_S
from trigger.errors import KtrigError
from trigger.experiment import Experiment
from trigger.frames import BLOCK_FRAMES
from trigger.intensity.bins import BIN_S, Floats, Integers, count_bins, first_frames, ratio, sum_between
from trigger.intensity.duty import DutyFactor, dispersion, duty_of_counts
from trigger.intensity.gtk import GtkBins, GtkIntensity, bin_intensity, gtk_intensity
from trigger.intensity.lines import LineRate, line_rate
from trigger.intensity.quality import BeamQuality, Grade, beam_quality, judge
from trigger.intensity.span import BeamSpan

GTK: Final = "GTK"
"""Name of the estimator that is not a detector of L0."""

MAX_BINS: Final = 100
"""Bins of a series. They are multiples of BLOCK_FRAMES: a block of the default length lies in one."""

Numbers = tuple[float | None, ...]


class SpillMonitorError(KtrigError):
    """A block, or a bin, that the spill does not have, or has had already."""


@dataclass(frozen=True)
class Estimate:
    """What one detector says of the beam.

    counts: with beam. absolute: its primitives give the number of beam particles, mean_mhz with its Poisson error;
    otherwise None, and only the shape is known. duty: of the plateau in 5 ms.
    """

    counts: int
    absolute: bool
    mean_mhz: float | None
    error_mhz: float | None
    duty: DutyFactor | None


@dataclass(frozen=True)
class Series:
    """What changes along the spill, in at most 100 bins with edges_s since SOB; None where nothing was played.

    intensity_mhz: by estimator, see `SpillMonitor.intensity_by_time`. live: triggers kept over all triggers.
    line_per_particle: firings before downscaling per beam particle, by line; empty without a detector that counts
    them. A block's triggers belong to the bin of its middle, and are compared with the beam of the same blocks.
    """

    edges_s: tuple[float, ...]
    intensity_mhz: dict[str, Numbers]
    live: Numbers
    line_per_particle: dict[str, Numbers]


@dataclass(frozen=True)
class SpillQuality:
    """The report of a spill: JSON by `dataclasses.asdict`, None where a figure is not known.

    detector: whose counts `beam` is made of: that of the experiment's intensity if it has any, else the one with most
    counts. absolute: it counts beam particles, and mean_mhz is the mean intensity while there is beam.
    weighted_mhz: the intensity that an accidental coincidence sees, <I^2> / <I>, down to 1 ms. gtk: while there is
    beam; gtk_plateau: of the plateau. live: part of the triggers that were not lost to dead time and choke.
    """

    grade: Grade
    reasons: tuple[str, ...]
    detector: str
    absolute: bool
    played_s: float
    mean_mhz: float | None
    weighted_mhz: float | None
    beam: BeamQuality | None
    estimates: dict[str, Estimate]
    gtk: GtkIntensity | None
    gtk_plateau: GtkIntensity | None
    triggers: int
    lost: int
    live: float | None
    lines: tuple[LineRate, ...]
    series: Series


class SpillMonitor:
    """Watches one spill as it is played, block after block in any order.

    It keeps the counts of each frame (2 bytes a detector and frame) and sums up at the end, so that a report does
    not depend on how the spill was cut. What it says of triggers in bins of time does, for blocks that lie across
    the edge of a bin.
    """

    def __init__(
        self, detectors: Sequence[str], n_frames: int, experiment: Experiment, lines: Sequence[str]
    ) -> None:
        self._detectors, self._lines = tuple(detectors), tuple(lines)
        beam, self._nominal_s = experiment.beam, experiment.spill.duration_s
        self._per_particle = beam.primitives_per_beam_particle
        known = beam.intensity_detector in self._detectors
        self._beam_row = self._detectors.index(beam.intensity_detector) if known else None
        self._counts = np.zeros((len(self._detectors), n_frames), np.uint16)
        self._played = np.zeros(n_frames, np.bool_)
        self._gtk = GtkBins(*np.zeros((3, math.ceil(n_frames * FRAME_S / BIN_S)), np.int64))
        self._width = _width(n_frames, MAX_BINS)
        n_bins = len(_edges(n_frames, MAX_BINS)) - 1
        self._beam_counts, self._triggers, self._lost = np.zeros((3, n_bins), np.int64)
        self._before = np.zeros((len(self._lines), n_bins), np.int64)
        self._after = np.zeros(len(self._lines), np.int64)

    def update(
        self,
        first_frame: int,
        frame_counts: NDArray[np.uint16],
        before: Integers,
        after: Integers,
        triggers: int,
        lost: int,
    ) -> None:
        """Take a block: what it has, not running sums.

        frame_counts: uint16[n_detectors, n_frames_of_block], primitives; no frames for what is settled behind the
        last block. before, after: int64[n_lines], firings that downscaling saw and kept. triggers: kept. lost: to
        dead time and choke. Raises SpillMonitorError for frames that the spill does not have, or that came before.
        """
        n = frame_counts.shape[1]
        frames = slice(first_frame, first_frame + n)
        self._check(frames)
        self._counts[:, frames] = frame_counts
        self._played[frames] = True
        # What comes without frames belongs to those in front of it.
        i = max(first_frame + (n + 1) // 2 - 1, 0) // self._width
        self._before[:, i] += before
        self._after += after
        self._triggers[i] += triggers
        self._lost[i] += lost
        if self._beam_row is not None:
            self._beam_counts[i] += int(frame_counts[self._beam_row].sum(dtype=np.int64))

    def _check(self, frames: slice) -> None:
        n = len(self._played)
        if not 0 <= frames.start <= frames.stop <= n:
            what, remedy = f"the spill has frames 0 to {n - 1}", "give the monitor blocks of one spill"
        elif self._played[frames].any():
            what, remedy = "some were played already", "give each block once"
        else:
            return
        raise SpillMonitorError(f"block of frames {frames.start} to {frames.stop - 1}: {what}; {remedy}")

    def add_gtk(self, bins: Integers, events: Integers, hits: Integers, squares: Integers) -> None:
        """Take triggers with what the GTK saw of them, in bins of 5 ms since SOB; a bin may come several times.

        int64[k] each: bin, triggers in it, the sum of their hits (three stations, 45 ns), the sum of the squares of
        each trigger's hits. Raises SpillMonitorError for a bin that the spill does not have.
        """
        n = len(self._gtk.events)
        if len(bins) and not 0 <= bins.min() <= bins.max() < n:
            raise SpillMonitorError(
                f"GTK hits in bins {bins.min()} to {bins.max()}: the spill has {n} of 5 ms; "
                "give the monitor triggers of one spill"
            )
        np.add.at(self._gtk.events, bins, events)
        np.add.at(self._gtk.hits, bins, hits)
        np.add.at(self._gtk.squares, bins, squares)

    def intensity_by_time(self, max_bins: int = MAX_BINS) -> tuple[Floats, dict[str, Floats]]:
        """Return edges in s since SOB, float64[n + 1], and the intensity in MHz by estimator, float64[n].

        At most `max_bins` bins of whole blocks; the last one may be shorter. Each is divided by what was played of
        it; NaN where nothing was. Absolute are the experiment's intensity detector and the GTK, whose mean over the
        triggers of a bin is <I^2> / <I> of the bin. The other detectors are scaled to the mean of the intensity
        detector; without it they have a mean of 1.
        """
        edges = _edges(len(self._played), max_bins)
        mhz = self._detectors_mhz(edges)
        if self._gtk.events.any():
            mhz[GTK] = bin_intensity(self._gtk_between(edges))
        return np.asarray(edges * FRAME_S, np.float64), mhz

    def intensity_in_bins(self, width_s: float = BIN_S) -> tuple[Floats, dict[str, Floats]]:
        """Return the same in bins of `width_s`, BIN_S or FINE_BIN_S (5 or 1 ms), the GTK in those of 5 ms only.

        The last bin may not be whole: it is divided by what was played of it.
        """
        first = first_frames(len(self._played), width_s)
        mhz = self._detectors_mhz(first)
        if width_s == BIN_S and self._gtk.events.any():
            mhz[GTK] = bin_intensity(self._gtk.between(0, len(first) - 1))
        return np.asarray(np.arange(len(first)) * width_s, np.float64), mhz

    def _detectors_mhz(self, first: Integers) -> dict[str, Floats]:
        """Return the intensity between each two of `first`, in frames, by detector."""
        frames = sum_between(self._played, first)
        played = max(int(frames.sum()), 1)
        particles = int(self._beam_counts.sum()) / self._per_particle
        mean = particles / (played * FRAME_S * 1e6) if particles else 1.0
        mhz = {}
        for name, counts in zip(self._detectors, self._counts, strict=True):
            rates = ratio(sum_between(counts, first), frames)
            typical = int(counts.sum(dtype=np.int64)) / played
            mhz[name] = rates * (mean / typical) if typical else rates
        return mhz

    def report(self) -> SpillQuality:
        """Sum up what was played so far."""
        row = self._quality_row()
        beam = None if row is None else beam_quality(self._counts[row], self._played, self._nominal_s)
        verdict = judge(beam)
        span = None if beam is None else beam.span
        estimates = {name: self._estimate(i, span) for i, name in enumerate(self._detectors)}
        mean = None if row is None else estimates[self._detectors[row]].mean_mhz
        duty = None if beam is None else beam.duty.spill_1ms
        triggers, lost = int(self._triggers.sum()), int(self._lost.sum())
        return SpillQuality(
            grade=verdict.grade,
            reasons=verdict.reasons,
            detector="" if row is None else self._detectors[row],
            absolute=row is not None and row == self._beam_row,
            played_s=int(self._played.sum()) * FRAME_S,
            mean_mhz=mean,
            weighted_mhz=None if mean is None or duty is None else mean / duty.declustered,
            beam=beam,
            estimates=estimates,
            gtk=None if span is None else self._gtk_within(span.begin_s, span.end_s),
            gtk_plateau=None if span is None else self._gtk_within(*span.plateau_s),
            triggers=triggers,
            lost=lost,
            live=triggers / (triggers + lost) if triggers + lost else None,
            lines=self._line_rates(),
            series=self._series(),
        )

    def _quality_row(self) -> int | None:
        """Return the detector whose counts tell the quality: the beam's, else the one with most; None without any."""
        totals = [int(counts.sum(dtype=np.int64)) for counts in self._counts]
        if self._beam_row is not None and totals[self._beam_row]:
            return self._beam_row
        return int(np.argmax(totals)) if any(totals) else None

    def _estimate(self, row: int, span: BeamSpan | None) -> Estimate:
        absolute = row == self._beam_row
        if span is None:
            return Estimate(int(self._counts[row].sum(dtype=np.int64)), absolute, None, None, None)
        first, stop = span.frames
        counts = int(self._counts[row, first:stop].sum(dtype=np.int64))
        seconds = int(self._played[first:stop].sum()) * FRAME_S
        per_count = 1e-6 / self._per_particle / seconds
        bins = count_bins(self._counts[row], self._played, BIN_S).between(*span.plateau_s)
        return Estimate(
            counts=counts,
            absolute=absolute,
            mean_mhz=counts * per_count if absolute else None,
            error_mhz=math.sqrt(max(counts, 1)) * per_count if absolute else None,
            duty=duty_of_counts(bins, dispersion(self._counts[row, first:stop]) or 1.0),
        )

    def _gtk_within(self, begin_s: float, end_s: float) -> GtkIntensity | None:
        return gtk_intensity(self._gtk.between(round(begin_s / BIN_S), round(end_s / BIN_S)))

    def _gtk_between(self, edges: Integers) -> GtkBins:
        """Sum up the bins whose middle lies between each two of `edges`, in frames."""
        middles = (np.arange(len(self._gtk.events)) + 0.5) * (BIN_S / FRAME_S)
        first = np.searchsorted(middles, edges)
        sums = (sum_between(x, first) for x in (self._gtk.events, self._gtk.hits, self._gtk.squares))
        return GtkBins(*sums)

    def _line_rates(self) -> tuple[LineRate, ...]:
        beam_counts = int(self._beam_counts.sum())
        counts = zip(self._lines, self._before.sum(axis=1).tolist(), self._after.tolist(), strict=True)
        return tuple(line_rate(*line, beam_counts, self._per_particle) for line in counts)

    def _series(self) -> Series:
        edges, mhz = self.intensity_by_time()
        per_particle = {}
        if self._beam_row is not None:
            particles = self._beam_counts / self._per_particle
            lines = zip(self._lines, self._before, strict=True)
            per_particle = {name: _numbers(ratio(before, particles)) for name, before in lines}
        return Series(
            edges_s=tuple(edges.tolist()),
            intensity_mhz={name: _numbers(values) for name, values in mhz.items()},
            live=_numbers(ratio(self._triggers, self._triggers + self._lost)),
            line_per_particle=per_particle,
        )


def _edges(n_frames: int, max_bins: int) -> Integers:
    """Return the first frames of at most `max_bins` equal bins of whole blocks, and n_frames: int64[n_bins + 1]."""
    return np.append(np.arange(0, max(n_frames, 1), _width(n_frames, max_bins)), n_frames).astype(np.int64)


def _width(n_frames: int, max_bins: int) -> int:
    """Return the frames of a bin: a multiple of BLOCK_FRAMES."""
    return BLOCK_FRAMES * max(-(-n_frames // (BLOCK_FRAMES * max_bins)), 1)


def _numbers(values: Floats) -> Numbers:
    """Replace NaN by None."""
    return tuple(None if math.isnan(x) else x for x in values.tolist())
