"""Where the beam is: from its first to its last bin, and the plateau in between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from trigger.intensity.bins import BIN_S, BinCounts, frame_at

BEAM_ON: Final = 0.05
"""Part of the typical rate (the median of the bins with counts) that a bin with beam has. Chosen: the ramp of a
spill, some 150 ms long, is at 5% after 8 ms."""

AROUND: Final = 5
BEAM_AROUND: Final = 0.1
"""Part of the typical rate that the mean of the AROUND bins about it has: a stray count in the dark is no beam.
Chosen."""

WHOLE_SPILL: Final = 0.5
"""Part of the experiment's spill below which what is played is taken for a piece of the plateau. Chosen."""

MARGIN: Final = 1 / 6
"""Part of the beam's time to either side of the plateau. NA62's quality figures are of 2 to 5 s of a spill from
1.2 to 5.8 s (I. Skillicorn's beam-quality notes)."""


@dataclass(frozen=True)
class BeamSpan:
    """Times since SOB in seconds, multiples of 5 ms: of the beam, and of its plateau.

    whole: the spill is one from start to end, not a short piece of one, which is plateau all over.
    """

    begin_s: float
    end_s: float
    plateau_begin_s: float
    plateau_end_s: float
    whole: bool

    @property
    def beam_s(self) -> float:
        """Length of the beam."""
        return self.end_s - self.begin_s

    @property
    def plateau_s(self) -> tuple[float, float]:
        """Begin and end of the plateau."""
        return self.plateau_begin_s, self.plateau_end_s

    @property
    def frames(self) -> tuple[int, int]:
        """First frame of the beam and the one behind its last."""
        return frame_at(self.begin_s), frame_at(self.end_s)

    @property
    def plateau_frames(self) -> tuple[int, int]:
        """First frame of the plateau and the one behind its last."""
        return frame_at(self.plateau_begin_s), frame_at(self.plateau_end_s)


def beam_span(bins: BinCounts, length_s: float, nominal_s: float) -> BeamSpan | None:
    """Find the beam in bins of 5 ms; None if no whole bin has a count.

    length_s: from SOB to EOB, whether played already or not. nominal_s: length of the experiment's spill.
    """
    rates = np.where(bins.whole, bins.per_frame, 0.0)
    lit = rates > 0
    if not lit.any():
        return None
    typical = float(np.median(rates[lit]))
    window = np.ones(AROUND)
    around, of = (np.convolve(x, window)[AROUND // 2 :][: len(x)] for x in (rates, np.ones(len(rates))))
    on = np.flatnonzero((rates >= BEAM_ON * typical) & (around >= BEAM_AROUND * typical * of))
    if not len(on):
        return None
    first, stop = int(on[0]), int(on[-1]) + 1
    whole = length_s >= WHOLE_SPILL * nominal_s
    margin = round(MARGIN * (stop - first)) if whole else 0
    return BeamSpan(first * BIN_S, stop * BIN_S, (first + margin) * BIN_S, (stop - margin) * BIN_S, whole)
