"""The peak monitor: spectra of all searches, and where in them a new particle would make a peak.

Spectra are integer histograms that add up: of each spill, and cumulated over even and odd spills apart. At the end of
a spill that of the spill and the sum of all are scanned.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streams.findings import Findings
from streams.monitors import spectra
from streams.monitors.spectra import Counts
from trigger.clock import FRAME_S
from trigger.menu import Menu
from trigger.searches.activity import effective_downscaling, inactive_because
from trigger.searches.catalogue import SEARCHES, number_of
from trigger.searches.normalisation import counted, kaon_decays, per_event
from trigger.searches.plan import expected_background, make_plan, scan_spectrum
from trigger.searches.search import Search
from trigger.statistics.look_elsewhere import is_alarm
from trigger.statistics.scan import Scan

Floats = NDArray[np.float64]

_PLANS: Final = tuple(make_plan(search) for search in SEARCHES)

_CHANNELS: Final = tuple(number_of(search.normalisation or search.name) for search in SEARCHES)
"""Place of the normalisation channel of each search."""


def _zeros() -> Counts:
    return np.zeros(len(SEARCHES), np.int64)


@dataclass
class Sample:
    """Spectra of some spills, and what turns yields into branching ratios: whole numbers, which add up.

    channel: events of each search's normalisation channel in the spills in which both were active. primitives,
    frames: in these, of the detector that the intensity is from, int64[n searches].
    """

    counts: Counts = field(default_factory=spectra.empty)
    channel: Counts = field(default_factory=_zeros)
    primitives: Counts = field(default_factory=_zeros)
    frames: Counts = field(default_factory=_zeros)

    def __add__(self, other: Sample) -> Sample:
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return Sample(*(mine + its for mine, its in pairs))


@dataclass
class Cumulated:
    """What is kept from spill to spill: samples of even and odd ones, and how many spills there were."""

    halves: tuple[Sample, Sample] = field(default_factory=lambda: (Sample(), Sample()))
    spills: int = 0

    def add(self, sample: Sample) -> None:
        """Add a spill."""
        even, odd = self.halves
        # As a whole: whoever reads meanwhile has the old ones or the new ones.
        self.halves = (even + sample, odd) if self.spills % 2 == 0 else (even, odd + sample)
        self.spills += 1


@dataclass(frozen=True)
class Excess:
    """Where a spectrum has the smallest local p-value, and what it is worth there.

    signal, limit: of the yield, the limit at 90% CL. limit_br: on the branching ratio, NaN if that is not known.
    """

    mass_gev: float
    z: float
    p_local: float
    p_global: float
    signal: float
    limit: float
    limit_br: float


@dataclass(frozen=True)
class Outcome:
    """What a spectrum shows.

    masses_gev: of the hypotheses, float64[k]. counts: int64[bins + 2]. selected: entries inside of its axis. scan:
    None if it cannot be scanned. background: expected in each bin, float64[bins], None if it is from sidebands.
    per_event: branching ratio that one event stands for at each hypothesis, NaN where it is not known: float64[k].
    """

    masses_gev: Floats
    counts: Counts
    selected: int
    scan: Scan | None
    background: Floats | None
    per_event: Floats
    excess: Excess | None


@dataclass(frozen=True)
class SearchState:
    """A search at the end of a spill.

    reason: why it is inactive in the spill, or empty. alarm: what raised it, or empty. kaons: decays of kaons that
    its channel stands for in all spills.
    """

    search: Search
    reason: str
    spill: Outcome
    all: Outcome
    alarm: str
    kaons: float


class PeakMonitor:
    """Fills and scans the spectra.

    cumulated: all spills so far. primitives_per_particle: of the detector that the intensity of the beam is from.
    """

    def __init__(
        self, menu: Menu, primitives_per_particle: float = 1.0, cumulated: Cumulated | None = None
    ) -> None:
        self._menu = menu
        self._per_particle = primitives_per_particle
        self.cumulated = cumulated or Cumulated()
        self._downscaling = [effective_downscaling(search, menu) for search in SEARCHES]
        self.begin((), (), l1=False, simulated=False)

    def begin(
        self,
        active_lines: Collection[str],
        parts: Collection[str],
        l1: bool,
        simulated: bool,
        new: bool = True,
    ) -> None:
        """Begin a spill: see `inactive_because`. simulated: decides which backgrounds are expected.

        new: it is to be added to those before; not one that is in them already.
        """
        self._new = new
        self._before = self.cumulated.halves[0].counts + self.cumulated.halves[1].counts
        self.spill = Sample()
        self._simulated = simulated
        self.reasons = [inactive_because(s, self._menu, active_lines, parts, l1) for s in SEARCHES]
        self._active = np.array([not reason for reason in self.reasons], np.bool_)

    def fill(self, findings: Findings) -> None:
        """Take what L1 found."""
        spectra.fill(self.spill.counts, findings.search, findings.value, self._active)

    def end(self, primitives: int, frames: int, whole: bool = True) -> None:
        """End a spill with so many primitives of the intensity detector; add it to those before.

        whole: all of its events were read out. If not, channels do not count it: they miss as many as nobody knows.
        """
        for number, channel in enumerate(_CHANNELS):
            if whole and self._active[number] and self._active[channel]:
                self.spill.channel[number] = self._counted(channel, self.spill)
                self.spill.primitives[number], self.spill.frames[number] = primitives, frames
        if self._new:
            self.cumulated.add(self.spill)

    def selected(self) -> dict[str, int]:
        """Return the events that each search took of the present spill."""
        counts = self.spill.counts
        return {s.name: int(spectra.spectrum(counts, k)[1:-1].sum()) for k, s in enumerate(SEARCHES)}

    def spectra(self) -> Iterator[tuple[Search, Counts]]:
        """Yield each search and its spectrum (int64[bins + 2]) in all spills, the present one included."""
        both = self._before + self.spill.counts if self._new else self._before
        for number, search in enumerate(SEARCHES):
            yield search, spectra.spectrum(both, number)

    def states(self) -> list[SearchState]:
        """Scan the last spill and the sum of all."""
        both = self.cumulated.halves[0] + self.cumulated.halves[1]
        return [self._state(number, both) for number in range(len(SEARCHES))]

    def _state(self, number: int, both: Sample) -> SearchState:
        total = self._outcome(number, both)
        return SearchState(
            SEARCHES[number],
            self.reasons[number],
            self._outcome(number, self.spill),
            total,
            self._alarm(number, total),
            self._kaons(number, both),
        )

    def _outcome(self, number: int, sample: Sample) -> Outcome:
        search, plan = SEARCHES[number], _PLANS[number]
        counts = spectra.spectrum(sample.counts, number)
        kaons, mhz = self._kaons(number, sample), self._intensity_mhz(number, sample)
        masses = plan.mass_gev.tolist()
        per = np.array([per_event(search, mass, kaons, self._downscaling[number], mhz) for mass in masses])
        scan, background = self._scan(number, sample)
        excess = None if scan is None else self._excess(number, scan, per)
        return Outcome(plan.mass_gev, counts, int(counts[1:-1].sum()), scan, background, per, excess)

    def _scan(self, number: int, sample: Sample) -> tuple[Scan | None, Floats | None]:
        """Scan a spectrum; return the background per bin beside it if that is known from elsewhere."""
        search, plan = SEARCHES[number], _PLANS[number]
        if not search.regions:
            return None, None
        counts = spectra.spectrum(sample.counts, number)[1:-1]
        expected = search.expected_in(self._simulated)
        if expected is None:
            return scan_spectrum(search, plan, counts, None), None
        channel = (
            int(sample.channel[number]),
            self._downscaling[_CHANNELS[number]] / self._downscaling[number],
        )
        found = expected_background(search, expected, counts, channel)
        if found is None:
            return None, None
        return scan_spectrum(search, plan, counts, *found), found[0]

    def _excess(self, number: int, scan: Scan, per: Floats) -> Excess | None:
        k = scan.largest
        if k is None:
            return None
        values = (
            scan.z[k],
            scan.p_local[k],
            scan.p_global,
            scan.signal[k],
            scan.limit[k],
            scan.limit[k] * per[k],
        )
        return Excess(float(_PLANS[number].mass_gev[k]), *(float(value) for value in values))

    def _alarm(self, number: int, total: Outcome) -> str:
        """Say what raises an alarm, ''. The halves are scanned only if the sum could."""
        scan, look = total.scan, self.cumulated.spills
        if not look or scan is None or total.excess is None:
            return ""
        if not is_alarm(scan.p_global, look, np.inf, np.inf):
            return ""
        k = scan.largest
        halves = [self._scan(number, half)[0] for half in self.cumulated.halves]
        z = [float("nan") if half is None else float(half.z[k]) for half in halves]
        if not is_alarm(scan.p_global, look, *z):
            return ""
        return (
            f"at {1e3 * total.excess.mass_gev:.1f} MeV global p-value {scan.p_global:.1e} at look {look}, local "
            f"significance {z[0]:.1f} in even and {z[1]:.1f} in odd spills"
        )

    def _counted(self, channel: int, sample: Sample) -> int:
        return counted(SEARCHES[channel], spectra.spectrum(sample.counts, channel)[1:-1])

    def _kaons(self, number: int, sample: Sample) -> float:
        """Decays of kaons in the fiducial volume, from the channel of a search; NaN if the menu has not its line."""
        channel, events = _CHANNELS[number], int(sample.channel[number])
        mhz = self._intensity_mhz(number, sample)
        return kaon_decays(SEARCHES[channel], events, self._downscaling[channel], mhz)

    def _intensity_mhz(self, number: int, sample: Sample) -> float:
        """Mean intensity of the beam in the spills that tell the decays of kaons."""
        if not sample.frames[number]:
            return 0.0
        seconds = int(sample.frames[number]) * FRAME_S
        return int(sample.primitives[number]) / seconds / self._per_particle * 1e-6
