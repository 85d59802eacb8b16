"""The benchmark of the monitors: candidates, searches and spectra of accepted events, and the scans of a spill."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streams.bench.errors import BenchError
from streams.bench.l1 import SEED, Task, make_task, simulate_spill
from streams.bench.timing import Timing, time_in_turn
from streams.catalogue import load_menu
from streams.monitors import spectra
from streams.monitors.peaks import PeakMonitor
from streams.spill.reader import SpillReader
from trigger.l1.decision import Answers
from trigger.l1.events import Events
from trigger.l1.fates import ACCEPTED
from trigger.l1.processor import L1Processor
from trigger.reconstruct.bypassed import TrackCompleter
from trigger.reconstruct.reconstructor import Objects, Reconstructor
from trigger.reconstruct.tracks import Tracks
from trigger.searches.catalogue import SEARCHES, entries, find_search
from trigger.searches.plan import make_plan
from trigger.statistics.scan import Scan, scan_known
from trigger.statistics.windows import HALF_BOX

US: Final = 1e6

ACCEPTED_HZ: Final = 1e5
"""Rate of accepted events that the fraction of a core is for."""

ENTRIES: Final = 20_000
"""Entries of each spectrum that is scanned, flat over its axis."""

OPPONENT: Final = "k_pi_mumu"
"""Search whose spectrum pyBumpHunter scans, too."""


@dataclass(frozen=True)
class Block:
    """The accepted events of a piece of a spill, what they are reconstructed from, and their tracks."""

    events: Events
    accepted: NDArray[np.uint8]
    answers: Answers
    tracks: Tracks
    objects: Objects


@dataclass(frozen=True)
class Entry:
    """Entries of the searches: uint8[n], float32[n]."""

    search: NDArray[np.uint8]
    value: NDArray[np.float32]


def bench_monitors(
    spill: str | Path | None, menu_name: str, blocks: int, repetitions: int, seed: int = SEED
) -> dict[str, Any]:
    """Time the monitors on a spill, or on one that is simulated for it at the nominal intensity.

    Times are medians; hits and records are in memory before. Raises BenchError if boost-histogram has other
    spectra.
    """
    if spill is not None:
        return _bench(Path(spill), menu_name, blocks, repetitions) | {"spill": str(spill)}
    with tempfile.TemporaryDirectory(prefix="ktrig-") as folder:
        path = simulate_spill(Path(folder) / "spill.h5", menu_name, seed)
        return _bench(path, menu_name, blocks, repetitions) | {"spill": None, "seed": seed}


def _bench(path: Path, menu_name: str, blocks: int, repetitions: int) -> dict[str, Any]:
    loaded = load_blocks(path, make_task(path, menu_name, blocks))
    n = sum(int(block.accepted.sum()) for block in loaded)
    bypassed, searched = _time_tracks(loaded, repetitions)
    reconstructor = Reconstructor()
    found = [_find(reconstructor, block) for block in loaded]
    entry = Entry(np.concatenate([f.search for f in found]), np.concatenate([f.value for f in found]))
    counts, active = spectra.empty(), np.ones(len(SEARCHES), np.bool_)

    def fill() -> None:
        for one in found:
            spectra.fill(counts, one.search, one.value, active)

    seen, filled = time_in_turn(
        [lambda: [_find(reconstructor, block) for block in loaded], fill], repetitions
    )
    per_event = (seen.median + filled.median) / n
    return {
        "benchmark": "monitors",
        "menu": menu_name,
        "accepted": n,
        "entries": len(entry.search),
        "repetitions": repetitions,
        "us_per_event": US * per_event,
        "core_fraction_at_100khz": per_event * ACCEPTED_HZ,
        "core_fraction_with_tracks_at_100khz": (per_event + bypassed.median / n) * ACCEPTED_HZ,
        "bypassed": searched,
        "us_per_bypassed_event": US * bypassed.median / searched if searched else None,
        **_fill_figures(entry, repetitions),
        **_scan_figures(menu_name, repetitions),
    }


def load_blocks(path: Path, task: Task) -> list[Block]:
    """Run L1 on the pieces of a task, and load the records around them. Raises BenchError if nothing is accepted."""
    processor, completer, blocks = L1Processor(task.menu), TrackCompleter(), []
    with SpillReader(path) as reader:
        for piece, events in zip(task.pieces, task.build(), strict=True):
            concluded, answers = processor.process(events, piece.flags, piece.words)
            accepted = (concluded.fates == ACCEPTED).astype(np.uint8)
            kept = Answers._make(array.copy() for array in answers)
            tracks = completer.complete(events, accepted, kept)[0]
            span = piece.streams["STRAW"]
            objects = Objects(
                *(
                    reader.optional.read_records(kind, span.first_frame, span.n_frames)
                    for kind in Objects._fields
                )
            )
            blocks.append(
                Block(events, accepted, kept, Tracks._make(array.copy() for array in tracks), objects)
            )
    if not any(block.accepted.any() for block in blocks):
        raise BenchError(f"{path}: L1 accepts nothing in {len(blocks)} blocks; give a longer spill")
    return blocks


def _find(reconstructor: Reconstructor, block: Block) -> Entry:
    """Reconstruct a block, and show it to the searches."""
    found = entries(reconstructor.reconstruct(block.events, block.accepted, block.tracks, block.objects))
    return Entry(found.search, found.value)


def _time_tracks(blocks: list[Block], repetitions: int) -> tuple[Timing, int]:
    """Time the search for tracks in events that L1 let pass without one; return how many there are."""
    completer = TrackCompleter()
    searched = sum(completer.complete(b.events, b.accepted, b.answers)[1] for b in blocks)

    def run() -> None:
        for block in blocks:
            completer.complete(block.events, block.accepted, block.answers)

    return time_in_turn([run], repetitions)[0], searched


def _fill_figures(entry: Entry, repetitions: int) -> dict[str, Any]:
    """Fill spectra with boost-histogram, too."""
    counts, active = spectra.empty(), np.ones(len(SEARCHES), np.bool_)
    times = max(ENTRIES // max(len(entry.search), 1), 1)
    search, value = np.tile(entry.search, times), np.tile(entry.value, times)
    ours: Callable[[], None] = lambda: spectra.fill(counts, search, value, active)  # noqa: E731
    if find_spec("boost_histogram") is None:
        (mine,) = time_in_turn([ours], repetitions)
        return {"fill_ns_per_entry": 1e9 * mine.median / len(search), "boost_histogram_ratio": None}
    import boost_histogram as bh

    axes = [bh.axis.Regular(s.axis.bins, s.axis.low, s.axis.high) for s in SEARCHES]
    theirs = [bh.Histogram(axis, storage=bh.storage.Int64()) for axis in axes]
    # Given to it as it likes them best: the values of each search in one array.
    values = [value[search == k].astype(np.float64) for k in range(len(SEARCHES))]

    def fill() -> None:
        for histogram, some in zip(theirs, values, strict=True):
            histogram.fill(some)

    ours()
    fill()
    for k, histogram in enumerate(theirs):
        if not np.array_equal(histogram.values(flow=True), spectra.spectrum(counts, k)):
            raise BenchError(
                f"{SEARCHES[k].name}: boost-histogram fills another spectrum; report this as a fault of ktrig"
            )
    mine, its = time_in_turn([ours, fill], repetitions)
    return {
        "fill_ns_per_entry": 1e9 * mine.median / len(search),
        "boost_histogram_ratio": its.median / mine.median,
    }


def _scan_figures(menu_name: str, repetitions: int) -> dict[str, Any]:
    """Time all scans at the end of a spill, that of the spill and that of all spills."""
    menu, experiment = load_menu(menu_name)
    peaks = PeakMonitor(menu, experiment.beam.primitives_per_beam_particle)
    rng = np.random.default_rng(SEED)
    for k in range(len(SEARCHES)):
        inside = spectra.spectrum(peaks.spill.counts, k)[1:-1]
        inside[:] = rng.poisson(ENTRIES / len(inside), len(inside))
    peaks.end(1, 1)
    (scans,) = time_in_turn([peaks.states], repetitions)
    return {
        "scan_s": scans.median,
        "scan_s_min": scans.least,
        "scan_s_max": scans.most,
        "hypotheses": sum(len(make_plan(search).at) for search in SEARCHES),
        **_opponent_figures(peaks, repetitions),
    }


def _opponent_figures(peaks: PeakMonitor, repetitions: int) -> dict[str, Any]:
    """Scan one spectrum with pyBumpHunter, too: boxes over a background that is given, which is all that it does.

    Raises BenchError if its smallest local p-value is another.
    """
    search = find_search(OPPONENT)
    axis, sigma = search.axis, float(make_plan(search).sigma.min())
    counts = spectra.spectrum(peaks.spill.counts, SEARCHES.index(search))[1:-1].copy()
    width = max(round(2.0 * HALF_BOX * sigma / axis.width), 1)
    low = np.asarray(axis.low + axis.width * np.arange(axis.bins - width + 1), np.float64)
    high = np.asarray(low + width * axis.width, np.float64)
    background = np.full(axis.bins, counts.mean())

    def ours() -> Scan:
        return scan_known(counts, axis.low, axis.width, low, high, background, 0.0, 1.0)

    if find_spec("pyBumpHunter") is None:
        (mine,) = time_in_turn([ours], repetitions)
        return {"scan_one": OPPONENT, "scan_one_s": mine.median, "bump_hunter_ratio": None}
    from pyBumpHunter import BumpHunter1D

    ends = (axis.low, axis.high)
    hunter = BumpHunter1D(
        rang=ends, width_min=width, width_max=width, scan_step=1, npe=1, nworker=1, bins=axis.bins
    )

    def theirs() -> None:
        # It says what it does.
        with redirect_stdout(StringIO()):
            hunter.bump_scan(counts, background, is_hist=True, do_pseudo=False)

    theirs()
    if not np.isclose(hunter.min_Pval_ar[0], ours().p_local.min(), rtol=1e-6):
        raise BenchError(
            f"{OPPONENT}: pyBumpHunter has another local p-value; report this as a fault of ktrig"
        )
    mine, its = time_in_turn([ours, theirs], repetitions)
    return {
        "scan_one": OPPONENT,
        "scan_one_s": mine.median,
        "bump_hunter_ratio": its.median / mine.median,
    }
