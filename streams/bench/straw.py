"""The benchmark of the STRAW searches: golden events, from edges to verdicts, on one core."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from streams.bench.errors import BenchError
from streams.bench.timing import Timing, time_in_turn
from streams.formats.golden_straw import TRIGGER_LSB, GoldenStraw, read
from trigger.jit import kernel, named
from trigger.l1.events import DetectorHits
from trigger.l1.straw.compatible import COMPATIBLE_T, Compatible, make_compatible, search_compatible
from trigger.l1.straw.edges import TOO_MANY, pair_edges
from trigger.l1.straw.hits import STRAWS_T, Straws, make_straws
from trigger.l1.straw.refit import REFIT_T, Refit, make_refit, search_refit
from trigger.l1.straw.verdict import ALL, CUTS_T, Cuts

LEAST_SAME: Final = 0.99
"""Fraction of events whose compatible verdict must be the recorded one: the edges are rounded to LSB."""

LEAST_FOUND: Final = 0.95
NEAR: Final = 0.05
"""Fraction of the recorded tracks that the refit must find in samples of one track, and how near in momentum."""

US: Final = 1e6


class Verdicts(NamedTuple):
    """Answers to a sample: verdict, n_tracks (-1 if there was too much), int64[n]; p_mev of the first track, 0 if
    there is none, float64[n]."""

    verdict: NDArray[np.int64]
    n_tracks: NDArray[np.int64]
    p_mev: NDArray[np.float64]


EDGES_T: Final = named(DetectorHits)
VERDICTS_T: Final = named(Verdicts)


def make_verdicts(n: int) -> Verdicts:
    """Return room for the answers to `n` events."""
    return Verdicts(np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros(n))


@kernel(types.void(EDGES_T, REFIT_T, CUTS_T, VERDICTS_T))
def run_refit(edges: Any, scratch: Any, cuts: Any, answers: Any) -> None:
    """Search the tracks of each event with the refit."""
    for e in range(len(edges.begin)):
        begin, end = edges.begin[e], edges.end[e]
        verdict, found = search_refit(edges.words, begin, end, TRIGGER_LSB, scratch, cuts)
        answers.verdict[e], answers.n_tracks[e] = verdict, found
        answers.p_mev[e] = scratch.final.p[0] if found > 0 else 0.0


@kernel(types.void(EDGES_T, STRAWS_T, COMPATIBLE_T, CUTS_T, VERDICTS_T))
def run_compatible(edges: Any, straws: Any, scratch: Any, cuts: Any, answers: Any) -> None:
    """Pair the edges of each event and search its tracks as the experiment's code does, without its memory."""
    for e in range(len(edges.begin)):
        n = pair_edges(edges.words, edges.begin[e], edges.end[e], TRIGGER_LSB, straws)
        verdict, found = ALL, -1
        if n != TOO_MANY:
            verdict, found = search_compatible(straws, n, scratch, cuts, False)
        answers.verdict[e], answers.n_tracks[e] = verdict, found
        answers.p_mev[e] = scratch.final.p[0] if found > 0 else 0.0


@dataclass(frozen=True)
class Sample:
    """A golden file, ready to be timed."""

    name: str
    golden: GoldenStraw
    edges: DetectorHits
    straws: Straws = field(default_factory=make_straws)
    refit: Refit = field(default_factory=make_refit)
    compatible: Compatible = field(default_factory=make_compatible)
    cuts: Cuts = field(default_factory=Cuts)

    def __len__(self) -> int:
        return len(self.golden)

    @property
    def one_track(self) -> bool:
        """Whether one track is recorded in some events, and more in none."""
        return int(self.golden.recorded.n_tracks.max()) == 1

    def run_refit(self) -> Verdicts:
        """Search with the refit."""
        answers = make_verdicts(len(self))
        run_refit(self.edges, self.refit, self.cuts, answers)
        return answers

    def run_compatible(self) -> Verdicts:
        """Search as the experiment does."""
        answers = make_verdicts(len(self))
        run_compatible(self.edges, self.straws, self.compatible, self.cuts, answers)
        return answers


def read_samples(files: Sequence[str]) -> list[Sample]:
    """Read golden files. Raises KtrigError for one that cannot be read or is there twice."""
    samples: dict[str, Sample] = {}
    for file in files:
        name = Path(file).stem
        golden = read(file)
        if name in samples:
            raise BenchError(
                f"{file}: sample {name!r} is also {samples[name].golden.source}; leave one out or rename it"
            )
        samples[name] = Sample(name, golden, golden.edges())
    return list(samples.values())


def same_fraction(sample: Sample, found: Verdicts) -> float:
    """Return the fraction of recorded verdicts among those of the compatible search. Raises BenchError if too low."""
    same = float(np.mean(found.verdict == sample.golden.recorded.verdict))
    if same < LEAST_SAME:
        raise BenchError(
            f"{sample.golden.source}: the compatible search gives the recorded verdict in {same:.4f} of the events, "
            f"less than {LEAST_SAME}; see ktrig verify straw"
        )
    return same


def found_fraction(sample: Sample, found: Verdicts) -> float:
    """Return the fraction of the recorded single tracks that the refit finds. Raises BenchError if it is too low."""
    recorded = sample.golden.recorded
    single = recorded.n_tracks == 1
    p = recorded.p_mev[single, 0]
    fraction = float(np.mean(np.abs(found.p_mev[single] - p) < NEAR * p))
    if fraction < LEAST_FOUND:
        raise BenchError(
            f"{sample.golden.source}: the refit finds the recorded track in {fraction:.4f} of the events that have "
            f"one, less than {LEAST_FOUND}; report this as a fault of ktrig"
        )
    return fraction


def bench_straw(files: Sequence[str], repetitions: int) -> dict[str, Any]:
    """Time both searches on golden files, in turn; times are medians, per event, from edges to verdict.

    Raises BenchError if the searches do not answer as they should.
    """
    samples = read_samples(files)
    same = {s.name: same_fraction(s, s.run_compatible()) for s in samples}
    found = {s.name: found_fraction(s, s.run_refit()) for s in samples if s.one_track}
    refit: dict[str, Timing] = {}
    compatible: dict[str, Timing] = {}
    for s in samples:
        refit[s.name], compatible[s.name] = time_in_turn([s.run_refit, s.run_compatible], repetitions)
    events = {s.name: len(s) for s in samples}
    return {
        "benchmark": "straw",
        "repetitions": repetitions,
        "events": events,
        "edges_per_event": {s.name: len(s.edges.words) / len(s) for s in samples},
        "us_per_event": {name: US * refit[name].median / n for name, n in events.items()},
        "compatible_us_per_event": {name: US * compatible[name].median / n for name, n in events.items()},
        "events_per_s": {name: n / refit[name].median for name, n in events.items()},
        "compatible_events_per_s": {name: n / compatible[name].median for name, n in events.items()},
        "refit_over_compatible": {name: refit[name].median / compatible[name].median for name in events},
        "compatible_same_verdict": same,
        "refit_track_found": found,
    }
