"""Between the monitors and their snapshot: what they know goes in, and spectra come out to go on from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streams.monitors import spectra
from streams.monitors.peaks import Cumulated, Excess, Outcome, PeakMonitor, Sample, SearchState
from streams.monitors.snapshot import (
    ChannelSums,
    Normalisation,
    ScannedRegion,
    ScanRows,
    SearchResult,
    Snapshot,
    SnapshotError,
    histogram_name,
)
from streams.monitors.snapshot import Excess as ExcessRow
from streams.monitors.uhi import Histogram, from_uhi, to_uhi
from trigger.searches.catalogue import SEARCHES
from trigger.searches.plan import Plan, make_plan
from trigger.searches.search import Search
from trigger.statistics.scan import Scan
from trigger.statistics.windows import GAUSSIAN, HALF_BOX

GAUSSIAN_WIDTH: Final = 2.0 * math.sqrt(math.pi)
"""Standard deviations' worth of background in a Gaussian window (`statistics.windows`)."""

HALVES: Final = ("even", "odd")


def search_result(state: SearchState) -> SearchResult:
    """Describe a search after a spill."""
    search, total = state.search, state.all
    return SearchResult(
        name=search.name,
        title=search.title,
        reference=search.reference,
        active=not state.reason,
        reason=state.reason,
        lines=search.lines,
        unit=search.unit,
        observable=search.formula,
        normalisation=search.normalisation,
        selected=total.selected,
        regions=tuple(
            ScannedRegion(name=r.name, low_gev=r.low_gev, high_gev=r.high_gev) for r in search.regions
        ),
        scan=None if total.scan is None else _rows(search, make_plan(search), total, total.scan),
        largest=None if total.excess is None else _excess(total.excess),
        alarm=bool(state.alarm),
        alarm_reason=state.alarm,
    )


def normalisation(state: SearchState) -> Normalisation:
    """Describe a normalisation channel after a spill."""
    return Normalisation(name=state.search.name, selected=state.all.selected, kaon_decays=state.kaons)


def _excess(excess: Excess) -> ExcessRow:
    return ExcessRow(**{name: getattr(excess, name) for name in ExcessRow.model_fields})


def _rows(search: Search, plan: Plan, total: Outcome, scan: Scan) -> ScanRows:
    per = total.per_event
    known = bool(np.isfinite(per).any())
    return ScanRows(
        mass_gev=plan.mass_gev,
        at=plan.at,
        sigma=plan.sigma,
        n=scan.n,
        background=scan.b,
        background_error=scan.d,
        z=scan.z,
        p_local=scan.p_local,
        signal=scan.signal,
        signal_error=scan.signal_error,
        limit=scan.limit,
        expected=scan.expected,
        limit_br=scan.limit * per if known else None,
        expected_br=scan.expected * per[:, None] if known else None,
        fitted_density=background_per_bin(search, plan, scan)
        if total.background is None
        else total.background,
    )


def background_per_bin(search: Search, plan: Plan, scan: Scan) -> NDArray[np.float64]:
    """Return the background that the scan found, in each bin: float64[bins], NaN where it did not look."""
    axis = search.axis
    centres = axis.low + axis.width * (np.arange(axis.bins) + 0.5)
    widths = np.where(scan.window == GAUSSIAN, GAUSSIAN_WIDTH, 2.0 * HALF_BOX) * plan.sigma
    found = np.full(axis.bins, np.nan)
    for number in range(len(search.regions)):
        mine = scan.scanned & (plan.region == number)
        if mine.any():
            at = scan.at[mine]
            inside = (centres >= at[0]) & (centres <= at[-1])
            found[inside] = np.interp(centres[inside], at, (scan.b * axis.width / widths)[mine])
    return found


def histograms(cumulated: Cumulated, spill: Sample) -> dict[str, Histogram]:
    """Return all spectra: of all spills, of even and odd ones, of the last one."""
    parts = {"": cumulated.halves[0] + cumulated.halves[1], "spill": spill}
    parts |= dict(zip(HALVES, cumulated.halves, strict=True))
    return {
        histogram_name(search.name, part): _histogram(search, spectra.spectrum(sample.counts, number))
        for part, sample in parts.items()
        for number, search in enumerate(SEARCHES)
    }


def _histogram(search: Search, counts: NDArray[np.int64]) -> Histogram:
    label = f"{search.formula} [{search.unit.replace('GeV2', 'GeV^2')}]"
    return to_uhi(counts, search.axis.low, search.axis.high, search.observable, label)


def fill_snapshot(snapshot: Snapshot, peaks: PeakMonitor, states: Sequence[SearchState]) -> Snapshot:
    """Put into a snapshot what the searches show."""
    cumulated = peaks.cumulated
    return snapshot.model_copy(
        update={
            "channels": tuple(_channels(half) for half in cumulated.halves),
            "searches": tuple(search_result(state) for state in states),
            "normalisation": tuple(normalisation(state) for state in states if state.search.channel),
            "histograms": histograms(cumulated, peaks.spill),
        }
    )


def resume(snapshot: Snapshot, source: Any) -> Cumulated:
    """Return the sums to go on from. source: names the file in errors.

    Raises SnapshotError if a spectrum has other bins than its search has now. A search that is not in the snapshot
    begins empty.
    """
    halves = Sample(), Sample()
    for half, part, channels in zip(halves, HALVES, snapshot.channels, strict=True):
        for number, search in enumerate(SEARCHES):
            histogram = snapshot.histograms.get(histogram_name(search.name, part))
            if histogram is not None:
                spectra.spectrum(half.counts, number)[:] = _counts(search, part, histogram, source)
            sums = channels.get(search.name, ChannelSums())
            half.channel[number] = sums.channel
            half.primitives[number], half.frames[number] = sums.primitives, sums.frames
    return Cumulated(halves, len(snapshot.seen))


def _channels(half: Sample) -> dict[str, ChannelSums]:
    columns = zip(
        SEARCHES, half.channel.tolist(), half.primitives.tolist(), half.frames.tolist(), strict=True
    )
    return {s.name: ChannelSums(channel=n, primitives=p, frames=f) for s, n, p, f in columns}


def _counts(search: Search, part: str, histogram: Histogram, source: Any) -> NDArray[np.int64]:
    counts, low, high = from_uhi(histogram)
    axis = search.axis
    if (len(counts) - 2, low, high) != (axis.bins, axis.low, axis.high):
        raise SnapshotError(
            f"{source}: histograms.{search.name}/{part}: has {len(counts) - 2} bins from {low:g} to {high:g}, the "
            f"search has {axis.bins} from {axis.low:g} to {axis.high:g} now; begin anew with another file"
        )
    return counts
