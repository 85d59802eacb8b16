"""Counts and rates of a spill, from L0's answers."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from streams.counts import L0Counts, L1Counts
from streams.exchange import L0Output, SpillStart, Stages, StageTotals
from streams.timing import Lateness
from trigger.clock import FRAME_S
from trigger.experiment import Experiment
from trigger.l0.fates import FATES
from trigger.l0.registers import CONTROL, N_MASKS, N_ROWS
from trigger.l0.triggers import ACCOUNTS, CONTROL_WORD, Triggers


def count_rows(triggers: Triggers) -> NDArray[np.int64]:
    """Count the triggers that each row of the menu fired: int64[17], masks 0 to 15, then control."""
    bits = np.unpackbits(
        triggers.flags.astype("<u2").view(np.uint8).reshape(-1, 2), axis=1, bitorder="little"
    )
    rows = np.zeros(N_ROWS, np.int64)
    rows[:N_MASKS] = bits.sum(axis=0, dtype=np.int64)
    rows[CONTROL] = np.count_nonzero(triggers.word & CONTROL_WORD)
    return rows


@dataclass(frozen=True)
class Snapshot:
    """Where a spill stands, never changed once made: a scrape sees one whole state.

    frames: seen so far. seen: triggers with each row's flag as they arrived, int64[17]. triggers_seen: their number.
    intensity_hz: beam particles a second in the last block. span: first and last frame with primitives. stages: what
    source, l0 and monitor have done. late: of the source's blocks. l1: where L1 stands, if it runs.
    """

    start: SpillStart
    frames: int
    counts: L0Counts
    seen: NDArray[np.int64]
    triggers_seen: int
    intensity_hz: float
    span: tuple[int, int] | None
    stages: Stages
    late: Lateness
    l1: L1Counts | None = None

    def rows(self, name: str) -> NDArray[np.int64]:
        """Return a count by row of the menu: int64[17]; one of L0's, or `seen`."""
        rows: NDArray[np.int64] = self.seen if name == "seen" else getattr(self.counts, name)
        return rows

    @property
    def position_s(self) -> float:
        """Time in the spill."""
        return self.frames * FRAME_S

    @property
    def beam_span_s(self) -> tuple[float, float] | None:
        """Times of the first and last frame with primitives, its end, since SOB."""
        return None if self.span is None else (self.span[0] * FRAME_S, (self.span[1] + 1) * FRAME_S)

    @property
    def beam_s(self) -> float:
        """Time from the first to the last frame with primitives: what rates are per."""
        return span_s(self.span)


def span_s(span: tuple[int, int] | None) -> float:
    """Return the time from the beginning of a first frame to the end of a last one, 0 if there are none."""
    return 0.0 if span is None else (span[1] - span[0] + 1) * FRAME_S


def fresh(start: SpillStart) -> Snapshot:
    """Return the state at the start of a spill."""
    rows = np.zeros(N_ROWS, np.int64)
    counts = L0Counts(
        rows, rows, rows, rows, rows, account=dict.fromkeys(ACCOUNTS, 0), dispatch=dict.fromkeys(FATES, 0)
    )
    stages = {name: StageTotals.of(start) for name in ("source", "l0")} | {"monitor": StageTotals()}
    return Snapshot(start, 0, counts, rows, 0, 0.0, None, stages, Lateness())


def advance(now: Snapshot, output: L0Output, experiment: Experiment) -> Snapshot:
    """Return the state after one more answer of L0."""
    span = output.span
    if span is not None and now.span is not None:
        span = (min(now.span[0], span[0]), max(now.span[1], span[1]))
    monitor = now.stages["monitor"]
    return Snapshot(
        start=now.start,
        frames=output.first_frame + output.n_frames,
        counts=output.counts,
        seen=now.seen + count_rows(output.triggers),
        triggers_seen=now.triggers_seen + len(output.triggers),
        intensity_hz=_intensity_hz(now, output, experiment),
        span=span or now.span,
        stages={**output.stages, "monitor": replace(monitor, blocks=monitor.blocks + (output.n_frames > 0))},
        late=output.late,
        l1=output.l1,
    )


def _intensity_hz(now: Snapshot, output: L0Output, experiment: Experiment) -> float:
    """Estimate the beam intensity of the block from the primitives of one detector; NaN without it."""
    beam = experiment.beam
    name = beam.intensity_detector
    if name not in now.start.detectors:
        return math.nan
    if output.n_frames == 0:
        return now.intensity_hz
    after, before = (stages["l0"].primitives for stages in (output.stages, now.stages))
    primitives = after.get(name, 0) - before.get(name, 0)
    return primitives / (output.n_frames * FRAME_S) / beam.primitives_per_beam_particle


def rate(count: int, time_s: float, repeats: float = 1.0) -> tuple[float, float]:
    """Return (rate, statistical error) in Hz of a Poisson count; of no count the error is that of one.

    repeats: how often each event was counted, in the mean: a spill that is played twice says no more than once.
    """
    if time_s <= 0:
        return 0.0, 0.0
    return count / time_s, math.sqrt(max(count, 1) * repeats) / time_s


def downscaled_rate(
    before: int, after: int, downscaling: int, time_s: float, repeats: float = 1.0
) -> tuple[float, float]:
    """Return (rate, error) in Hz after a downscaling that keeps every nth firing, n = `downscaling`.

    The error is the distance from the rate before over n: the Poisson spread of the firings, and the firings behind
    the last one kept, that none stands for.
    """
    if time_s <= 0:
        return 0.0, 0.0
    behind = before - after * downscaling
    return after / time_s, math.sqrt(max(before, 1) * repeats + behind**2) / downscaling / time_s
