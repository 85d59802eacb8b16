"""Snapshots of monitors for tests: spectra with made backgrounds and signals, and a rough scan of each."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, poisson

from streams.catalogue import load_experiment
from streams.monitors.intensity import SpillMonitor
from streams.monitors.snapshot import (
    BAND,
    PARTS,
    ChannelSums,
    Excess,
    Normalisation,
    ScannedRegion,
    ScanRows,
    SearchResult,
    Snapshot,
    SpillRow,
    histogram_name,
)
from streams.monitors.uhi import Histogram, to_uhi
from trigger.clock import FRAME_S

Floats = NDArray[np.float64]

BINS: Final = 2000
LOW: Final = -0.05
HIGH: Final = 0.15
"""Axis of a spectrum of missing mass squared (GeV^2), as that of K+ -> pi+ X."""

SIGMA: Final = 1.0e-3
REGIONS: Final = (("R1", 0.0, 0.110), ("R2", 0.154, 0.260))
PI0_GEV2: Final = 0.0182
SINGLE_EVENT: Final = 1e-9
"""Branching ratio of one event."""


def spectrum(events: float, signal: float = 0.0, mass_gev: float = 0.2, seed: int = 1) -> NDArray[np.int64]:
    """Counts (int64[BINS + 2]) of a flat background in all, a peak of pi0 twice as high, and a signal."""
    generator = np.random.default_rng(seed)
    values = np.concatenate(
        [
            generator.uniform(LOW - 0.01, HIGH + 0.01, generator.poisson(events)),
            generator.normal(PI0_GEV2, SIGMA, generator.poisson(2 * events)),
            generator.normal(mass_gev**2, SIGMA, generator.poisson(signal)),
        ]
    )
    edges = np.concatenate([[-np.inf], np.linspace(LOW, HIGH, BINS + 1), [np.inf]])
    return np.histogram(values, edges)[0]


def scan(counts: NDArray[np.int64], events: float, step_gev: float = 1e-3) -> ScanRows:
    """Scan with the background that was made, in windows of +-1.5 sigma; limits by the rule of thumb."""
    masses = np.concatenate([np.arange(low, high, step_gev) for _, low, high in REGIONS])
    at = masses**2
    width = (HIGH - LOW) / BINS
    half = 1.5 * SIGMA
    total = np.concatenate([[0], np.cumsum(counts[1:-1])])
    first = np.searchsorted(np.linspace(LOW, HIGH, BINS + 1), at - half)
    bins = round(2 * half / width)
    n = total[first + bins] - total[first]
    b = np.full(len(at), events * bins * width / (HIGH - LOW + 0.02))
    p = poisson.sf(n - 1, b)
    limit = 2.3 + np.maximum(n - b, 0) + 1.28 * np.sqrt(b)
    expected = np.stack([np.maximum(2.3 + (1.28 + k) * np.sqrt(b), 2.3) for k in BAND], axis=1)
    fitted = np.full(BINS, np.nan)
    middles = np.linspace(LOW, HIGH, BINS, endpoint=False) + width / 2
    for _, low, high in REGIONS:
        fitted[(middles > low**2 - 11 * SIGMA) & (middles < high**2 + 11 * SIGMA)] = b[0] / bins
    fitted[np.abs(middles - PI0_GEV2) < 6 * SIGMA] = np.nan
    lost = masses > 0.258  # as if the sideband there were too short
    rows = {"n": n, "background": b, "background_error": 0.1 * b, "z": norm.isf(p), "p_local": p}
    rows |= {"signal": n - b, "signal_error": np.sqrt(b + 1), "limit": limit}
    known: dict[str, Any] = {name: np.where(lost, np.nan, row) for name, row in rows.items()}
    expected[lost] = np.nan
    return ScanRows(
        mass_gev=masses,
        at=at,
        sigma=np.full(len(at), SIGMA),
        expected=expected,
        limit_br=SINGLE_EVENT * known["limit"],
        expected_br=SINGLE_EVENT * expected,
        fitted_density=fitted,
        **known,
    )


def search(name: str, counts: NDArray[np.int64], rows: ScanRows, **other: Any) -> SearchResult:
    """Return the result of an active search with the largest excess of its scan."""
    row = int(np.nanargmin(np.array(rows.p_local, float)))
    p_local, mass = rows.p_local[row], rows.mass_gev[row]
    assert p_local is not None
    assert mass is not None
    excess = Excess(
        mass_gev=mass,
        z=rows.z[row],
        p_local=p_local,
        p_global=min(1.0, 60 * p_local),
        limit=rows.limit[row],
        limit_br=rows.limit_br[row] if rows.limit_br else None,
    )
    settings: dict[str, Any] = {
        "title": "K+ -> pi+ X, X invisible",
        "reference": "JHEP 11 (2025) 143",
        "lines": ("PNN",),
        "unit": "GeV2",
        "observable": r"$m^2_\mathrm{miss}(\pi^+)$",
        "normalisation": "k2pi",
        "regions": tuple(ScannedRegion(name=n, low_gev=low, high_gev=high) for n, low, high in REGIONS),
    }
    return SearchResult(
        name=name, active=True, selected=counts.sum(), scan=rows, largest=excess, **{**settings, **other}
    )


def histograms(name: str, counts: NDArray[np.int64]) -> dict[str, Histogram]:
    """Return the four spectra of a search; of the last spill and both halves, parts that add up."""
    even = counts // 2
    parts = dict(zip(PARTS, (counts, even, counts - even, counts // 10), strict=True))
    return {histogram_name(name, part): to_uhi(rows, LOW, HIGH, name, "m2") for part, rows in parts.items()}


INACTIVE: Final = SearchResult(
    name="k_pi_gg",
    title="K+ -> pi+ a, a -> gamma gamma",
    reference="PLB 850 (2024) 138513",
    active=False,
    reason="the spill file has no clusters: simulate without --no-hits",
    lines=("Non-mu",),
    unit="GeV",
    observable=r"$m_{\gamma\gamma}$",
    normalisation="k2pi",
    selected=0,
)

KINDS: Final = {"busy": (200_000.0, 0.0), "excess": (20_000.0, 150.0), "few": (12.0, 0.0), "none": (0.0, 0.0)}
"""Search -> events of its background and of its signal."""


def normalisation_channel(seed: int) -> tuple[SearchResult, dict[str, Histogram]]:
    """Return a channel that counts the decays of kaons: a spectrum and no scan."""
    counts = spectrum(5000.0, seed=seed)
    result = SearchResult(
        name="k2pi",
        title="K+ -> pi+ pi0",
        reference="",
        active=True,
        lines=("Control",),
        unit="GeV2",
        observable=r"$m^2_\mathrm{miss}(\pi^+)$",
        normalisation="k2pi",
        selected=counts.sum(),
    )
    return result, histograms("k2pi", counts)


def full_snapshot(spill: dict[str, Any] | None = None, step_gev: float = 1e-3) -> Snapshot:
    """Return a snapshot with a search of each kind."""
    searches: list[SearchResult] = []
    spectra: dict[str, Histogram] = {}
    for seed, (name, (events, signal)) in enumerate(KINDS.items(), start=1):
        counts = spectrum(events, signal, seed=seed)
        alarm = {"alarm": True, "alarm_reason": "global p-value below 1e-3"} if signal else {}
        searches.append(search(name, counts, scan(counts, events, step_gev), **alarm))
        spectra |= histograms(name, counts)
    channel, of_channel = normalisation_channel(9)
    return Snapshot(
        experiment="na62",
        menu="na62-2018",
        menu_hash="5a" * 32,
        channels=(
            {"busy": ChannelSums(channel=700, primitives=3 * 10**9, frames=4_500_000)},
            {"busy": ChannelSums(channel=600, primitives=2 * 10**9, frames=3_800_000)},
        ),
        spills=12,
        interrupted=1,
        searches=(*searches, INACTIVE, channel),
        normalisation=(Normalisation(name="k2pi", selected=channel.selected, kaon_decays=3.2e9),),
        histograms=spectra | of_channel,
        spill=spill,
        history=tuple(history_row(index, spectra) for index in range(12)),
    )


def history_row(index: int, spectra: dict[str, Histogram]) -> SpillRow:
    """Return a row of the history; one in five spills is poor, the last one has no duty factor."""
    return SpillRow(
        run=9000,
        burst=index + 1,
        index=index,
        duty_factor=None if index == 11 else 0.9 - 0.02 * (index % 5),
        quality="unknown" if index == 11 else ("poor" if index % 5 == 4 else "good"),
        selected={name: 40 + index for name in spectra if "/" not in name},
    )


def empty_snapshot() -> Snapshot:
    """Return a snapshot from before the first spill."""
    return Snapshot(experiment="na62", menu="na62-2018", menu_hash="5a" * 32)


N_FRAMES: Final = 187 * 1024
"""Of a spill of 1.2 s."""


def spill_report(n_frames: int = N_FRAMES, seed: int = 1) -> dict[str, Any]:
    """Return the report of a spill monitor on a beam with 100 Hz, a gap, a fall, and triggers lost at its end."""
    experiment = load_experiment("na62")
    lines = ("PNN", "Non-mu")
    detectors = (experiment.beam.intensity_detector, "RICH", "LKr")
    monitor = SpillMonitor(detectors, n_frames, experiment, lines)
    generator = np.random.default_rng(seed)
    t = (np.arange(n_frames) + 0.5) * FRAME_S
    beam = (1 + 0.12 * np.sin(2 * np.pi * 100 * t)) * (1 - 0.2 * t) * (np.abs(t - 0.4) > 0.001)
    counts = generator.poisson(np.multiply.outer((120.0, 60.0, 20.0), beam)).astype(np.uint16)
    for first in range(0, n_frames, 1024):
        block = counts[:, first : first + 1024]
        fired = generator.poisson(0.001 * block[0].sum(), 2)
        lost = int(generator.poisson(3 + 0.05 * first / 1024))
        monitor.update(first, block, fired, fired // 2, int(fired.sum()), lost)
    bins = np.arange(int(t[-1] / 5e-3))
    hits = 200 * (3 + np.round(139 * (1 - 1e-3 * bins))).astype(np.int64)
    monitor.add_gtk(bins, np.full(len(bins), 200), hits, hits * 150)
    return asdict(monitor.report())


def excess(full: Snapshot, **changes: object) -> tuple[SearchResult, ScanRows]:
    """The search with a signal and its scan, with some of its rows changed."""
    found = full.search("excess")
    assert found.scan is not None
    changed = found.scan.model_copy(update=changes)
    return found.model_copy(update={"scan": changed}), changed
