"""The metrics of the monitors: the beam along the spill, and the searches."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

from streams.metrics_row import Buckets, MetricRow, Values, View

if TYPE_CHECKING:
    from streams.monitors.intensity import SpillQuality
    from streams.monitors.peaks import Outcome, SearchState

MOST_BUCKETS: Final = 40
"""Buckets of a spectrum, and masses for which limits are given: a scrape that has more holds up the monitor."""

TURN_HERTZ: Final = "43370"
"""Label of the turn of the SPS: one for all spills, wherever its line was found in them."""

Known = Mapping[tuple[str, ...], float | None]

GRADES: Final = {"good": 2.0, "poor": 1.0, "bad": 0.0, "unknown": math.nan}


def _quality(value: Callable[[SpillQuality], Known]) -> Callable[[View], Values]:
    """Read values off the beam's report on the last spill, those that are known."""

    def values(view: View) -> Values:
        last = view.watch.last if view.watch else None
        return {} if last is None else {key: x for key, x in value(last.quality).items() if x is not None}

    return values


def _intensity(view: View) -> Values:
    """Of the present spill, as far as it is played."""
    if view.watch is None:
        return {}
    edges, mhz = view.watch.beam.intensity_by_time()
    middles = [f"{middle:.3f}" for middle in (edges[1:] + edges[:-1]) / 2]
    return {
        (name, middle): 1e6 * x
        for name, values in mhz.items()
        if name in view.watch.estimators
        for middle, x in zip(middles, values.tolist(), strict=True)
        if not math.isnan(x)
    }


def _duty(quality: SpillQuality) -> Known:
    return {
        (name, correction): x
        for name, estimate in quality.estimates.items()
        if estimate.duty is not None
        for correction, x in (
            ("raw", estimate.duty.raw),
            ("poisson", estimate.duty.corrected),
            ("clusters", estimate.duty.declustered),
        )
    }


def _spread(name: str) -> Callable[[View], Values]:
    def value(quality: SpillQuality) -> Known:
        spread = quality.beam.spread if quality.beam else None
        return {} if spread is None else {(): getattr(spread, name)}

    return _quality(value)


def _lines(what: str) -> Callable[[View], Values]:
    """Amplitude or noise of the harmonics, and of the turn of the accelerator."""

    def value(quality: SpillQuality) -> Known:
        beam = quality.beam
        if beam is None:
            return {}
        values: dict[tuple[str, ...], float | None] = {
            (f"{line.frequency_hz:g}",): getattr(line, what) for line in beam.harmonics
        }
        if beam.turn is not None:
            values[TURN_HERTZ,] = getattr(beam.turn, what)
        return values

    return _quality(value)


def _kind(reason: str) -> str:
    """Return a reason without its numbers: a label that had them would be a series of its own in each spill."""
    return re.split(r"[:(]| (?=\d)", reason)[0].strip()


def _live(quality: SpillQuality) -> Known:
    edges = quality.series.edges_s
    middles = [f"{(low + high) / 2:.3f}" for low, high in pairwise(edges)]
    return {(middle,): x for middle, x in zip(middles, quality.series.live, strict=True)}


def _per_particle(quality: SpillQuality) -> Known:
    return {
        (line.name, where): getattr(line, f"{where}_per_particle")
        for line in quality.lines
        for where in ("before", "after")
    }


def _searches(view: View) -> Iterator[SearchState]:
    last = view.watch.last if view.watch else None
    yield from () if last is None else last.searches


def _outcomes(value: Callable[[Outcome], float | None]) -> Callable[[View], Values]:
    """Read a value off what the last spill shows, and all spills together."""

    def values(view: View) -> Values:
        return {
            (state.search.name, over): x
            for state in _searches(view)
            for over, outcome in (("spill", state.spill), ("all", state.all))
            if (x := value(outcome)) is not None and not math.isnan(x)
        }

    return values


def _excess(name: str) -> Callable[[View], Values]:
    return _outcomes(lambda outcome: getattr(outcome.excess, name) if outcome.excess else None)


def _limits(view: View) -> Values:
    """At no more than MOST_BUCKETS of the masses."""
    values: dict[tuple[str, ...], float] = {}
    for state in _searches(view):
        scan, masses = state.all.scan, state.all.masses_gev
        if scan is not None:
            for k in np.unique(np.linspace(0, len(masses) - 1, MOST_BUCKETS).astype(np.int64)).tolist():
                if not math.isnan(scan.limit[k]):
                    values[state.search.name, f"{masses[k]:.4f}"] = float(scan.limit[k])
    return values


def _spectra(view: View) -> Buckets:
    """Of all spills, the present one included, in groups of bins."""
    if view.watch is None or view.watch.peaks is None:
        return {}
    found: dict[tuple[str, ...], tuple[Sequence[tuple[str, float]], float]] = {}
    for search, counts in view.watch.peaks.spectra():
        group = -(-search.axis.bins // (MOST_BUCKETS - 2))
        up_to = np.cumsum(counts)
        ends = [*range(0, search.axis.bins, group), search.axis.bins]
        buckets = [(f"{search.axis.low + k * search.axis.width:.6g}", float(up_to[k])) for k in ends]
        centres = search.axis.low + search.axis.width * (np.arange(-1, search.axis.bins + 1) + 0.5)
        found[search.name,] = [*buckets, ("+Inf", float(up_to[-1]))], float((counts * centres).sum())
    return found


_GAUGE: Final = GaugeMetricFamily

MONITOR_TABLE: Final = (
    MetricRow(
        "ktrig_spills",
        CounterMetricFamily,
        (),
        "Spills that are over.",
        lambda view: {(): float(view.finished)},
    ),
    MetricRow(
        "ktrig_intensity_in_spill_hertz",
        _GAUGE,
        ("estimator", "seconds"),
        "Beam particles a second against the time in the spill (middle of a bin, at most 100), as far as it is "
        "played: from the detector of the intensity, and from GTK hits of triggers.",
        _intensity,
    ),
    MetricRow(
        "ktrig_duty_factor",
        _GAUGE,
        ("estimator", "correction"),
        "Of the plateau of the last spill in 5 ms: raw, with Poisson's spread of the counts taken off, and with that "
        "of counts in clusters, which the verdict is by.",
        _quality(_duty),
    ),
    MetricRow(
        "ktrig_effective_spill_seconds",
        _GAUGE,
        (),
        "Length of a flat spill with as many accidental coincidences.",
        _quality(lambda q: {(): q.beam.effective_s} if q.beam else {}),
    ),
    MetricRow(
        "ktrig_intensity_max_over_mean", _GAUGE, (), "Of the plateau in 5 ms.", _spread("max_over_mean")
    ),
    MetricRow("ktrig_intensity_skewness", _GAUGE, (), "Of the plateau in 5 ms.", _spread("skewness")),
    MetricRow(
        "ktrig_intensity_kurtosis",
        _GAUGE,
        (),
        "Of the plateau in 5 ms, 0 for a Gaussian.",
        _spread("kurtosis"),
    ),
    MetricRow(
        "ktrig_harmonic_amplitude",
        _GAUGE,
        ("hertz",),
        "Relative amplitude of a line in the intensity; the highest is the turn of the SPS.",
        _lines("amplitude"),
    ),
    MetricRow(
        "ktrig_harmonic_noise", _GAUGE, ("hertz",), "Amplitude that it has without a line.", _lines("noise")
    ),
    MetricRow(
        "ktrig_spill_gaps",
        _GAUGE,
        (),
        "Gaps in the beam.",
        _quality(lambda q: {(): float(len(q.beam.gaps))} if q.beam else {}),
    ),
    MetricRow(
        "ktrig_spill_spike",
        _GAUGE,
        (),
        "1 if the spill began with a spike.",
        _quality(lambda q: {(): float(q.beam.spike.spike is not None)} if q.beam and q.beam.spike else {}),
    ),
    MetricRow(
        "ktrig_live_fraction",
        _GAUGE,
        ("seconds",),
        "Triggers that were not lost to choke and dead time, against the time in the spill.",
        _quality(_live),
    ),
    MetricRow(
        "ktrig_line_per_beam_particle",
        _GAUGE,
        ("line", "downscaling"),
        "Firings per beam particle in the last spill, before and after downscaling.",
        _quality(_per_particle),
    ),
    MetricRow(
        "ktrig_spill_quality",
        _GAUGE,
        (),
        "Of the last spill: 2 good, 1 poor, 0 bad, NaN unknown.",
        _quality(lambda q: {(): GRADES[q.grade]}),
    ),
    MetricRow(
        "ktrig_spill_quality_reason",
        _GAUGE,
        ("reason",),
        "1 for each thing that makes the last spill poor, bad or unknown.",
        _quality(lambda q: {(_kind(reason),): 1.0 for reason in q.reasons}),
    ),
    MetricRow(
        "ktrig_search_active",
        _GAUGE,
        ("search",),
        "1 if the search could see something in the last spill.",
        lambda view: {(state.search.name,): float(not state.reason) for state in _searches(view)},
    ),
    MetricRow(
        "ktrig_search_inactive",
        _GAUGE,
        ("search", "reason"),
        "1 for a search that could not, and why.",
        lambda view: {(state.search.name, state.reason): 1.0 for state in _searches(view) if state.reason},
    ),
    MetricRow(
        "ktrig_search_selected",
        CounterMetricFamily,
        ("search",),
        "Accepted events that a search took.",
        lambda view: {(name,): float(n) for name, n in view.selected.items()},
    ),
    MetricRow(
        "ktrig_search_spectrum",
        HistogramMetricFamily,
        ("search",),
        "Spectrum of all spills (GeV or GeV^2), in at most 40 buckets; the snapshot has all bins.",
        buckets=_spectra,
    ),
    MetricRow(
        "ktrig_search_local_significance",
        _GAUGE,
        ("search", "over"),
        "Largest one, in the last spill and in all.",
        _excess("z"),
    ),
    MetricRow(
        "ktrig_search_excess_mass_gev", _GAUGE, ("search", "over"), "Mass where it is.", _excess("mass_gev")
    ),
    MetricRow(
        "ktrig_search_global_p_value",
        _GAUGE,
        ("search", "over"),
        "Probability of as large a one anywhere, without signal.",
        _excess("p_global"),
    ),
    MetricRow(
        "ktrig_search_upper_limit_events",
        _GAUGE,
        ("search", "over"),
        "Upper limit on the signal at that mass, 90% CL.",
        _excess("limit"),
    ),
    MetricRow(
        "ktrig_search_upper_limit_branching_ratio",
        _GAUGE,
        ("search", "over"),
        "The same as a branching ratio, by the normalisation channel.",
        _excess("limit_br"),
    ),
    MetricRow(
        "ktrig_search_limit_by_mass",
        _GAUGE,
        ("search", "mass_gev"),
        "Upper limit on the signal in all spills at up to 40 masses, 90% CL.",
        _limits,
    ),
    MetricRow(
        "ktrig_search_alarm",
        _GAUGE,
        ("search",),
        "1 if an excess in all spills, and in even and odd ones, is worth waking someone.",
        lambda view: {(state.search.name,): float(bool(state.alarm)) for state in _searches(view)},
    ),
)
