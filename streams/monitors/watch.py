"""All that is watched of the spills of a replay: the beam, and the peaks."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from streams.counts import L0Counts, Rows
from streams.exchange import L0Output, SpillStart
from streams.monitors.intensity import GTK, SpillMonitor, SpillQuality
from streams.monitors.rates import Snapshot as Rates
from streams.monitors.snapshot import MOST_SPILLS, Snapshot, SnapshotError, SpillRow
from streams.monitors.snapshot_file import read_snapshot, write_snapshot
from streams.stages.request import Request
from trigger.activity import LineActivity
from trigger.intensity.bins import BIN_S, FINE_BIN_S
from trigger.l1.fates import FATES

if TYPE_CHECKING:
    # It compiles kernels, which who watches the beam alone does not want.
    from streams.monitors.peaks import PeakMonitor, SearchState


OF_SEARCHES: Final = ("searches", "normalisation", "histograms", "channels")
"""Fields of a snapshot that the searches fill."""


@dataclass(frozen=True)
class Watched:
    """What is known at the end of a spill: of its beam, and of the searches, none if they do not run."""

    quality: SpillQuality
    searches: tuple[SearchState, ...]


class Watch:
    """The monitors, spill after spill.

    It goes on from the request's snapshot, which has more spills than when the replay began if it was started anew in
    the middle of one. beam: of the present spill. last: of the spill before, None in the first one. spills: that are
    over, with those of the snapshot. problem: why a snapshot was not written. Raises SnapshotError if the snapshot to
    go on from cannot be used.
    """

    def __init__(self, request: Request) -> None:
        self._request = request
        self._menu = request.menu
        self._rows = [row for row, _line in request.menu.rows]
        self.spills = self._interrupted = 0
        self._included = -1
        self._seen: dict[str, None] = {}
        self._old: Snapshot | None = None
        self._history: deque[SpillRow] = deque(maxlen=MOST_SPILLS)
        self.peaks: PeakMonitor | None = None
        if request.searches:
            from streams.monitors.peaks import PeakMonitor

            per_particle = request.experiment.beam.primitives_per_beam_particle
            self.peaks = PeakMonitor(request.menu, per_particle)
        self.last: Watched | None = None
        self.problem = ""
        path = request.snapshot
        if path is not None and path.exists():
            self._go_on(read_snapshot(path))

    def _go_on(self, snapshot: Snapshot) -> None:
        if self.peaks is not None:
            from streams.monitors.snapshot_content import resume

            self.peaks.cumulated = resume(snapshot, self._request.snapshot)
        self._old = snapshot
        self._seen = dict.fromkeys(snapshot.seen)
        self.spills, self._interrupted = snapshot.spills, snapshot.interrupted
        self._history.extend(snapshot.history)
        self._included = snapshot.spills - self._request.snapshot_spills - 1

    def begin(self, start: SpillStart, verdicts: list[LineActivity]) -> None:
        """Begin a spill; one that was not finished is forgotten."""
        self._start = start
        self._counts: L0Counts | None = None
        names = [line.name for _row, line in self._menu.rows]
        self.beam = SpillMonitor(start.detectors, start.n_frames, self._request.experiment, names)
        if self.peaks is not None:
            lines = [verdict.name for verdict in verdicts if verdict.active]
            # A spill that is played again says nothing new.
            new = self._name not in self._seen
            self.peaks.begin(lines, start.parts, self._request.l1, start.simulated, new)

    @property
    def _name(self) -> str:
        """What tells the present spill from others: its numbers, its file, and how much is in it."""
        start = self._start
        return f"{start.run}/{start.burst}/{start.file}/{sum(start.primitives.values())}"

    def update(self, output: L0Output) -> None:
        """Take L0's answer to a block, with what L1 found."""
        counts, before = output.counts, self._counts

        def rows(name: str) -> Rows:
            now: Rows = getattr(counts, name)
            return (now if before is None else now - getattr(before, name))[self._rows]

        def dispatch(*names: str) -> int:
            now = sum(counts.dispatch[name] for name in names)
            return now - (sum(before.dispatch[name] for name in names) if before else 0)

        frames = output.frame_counts
        if not output.n_frames:
            frames = np.zeros((len(self._start.detectors), 0), np.uint16)
        self.beam.update(
            output.first_frame,
            frames,
            rows("before"),
            rows("after"),
            dispatch("dispatched"),
            dispatch("choke", "dead_time"),
        )
        self._counts = counts
        found = output.findings
        if found is not None:
            self.beam.add_gtk(found.gtk_bin, found.gtk_events, found.gtk_hits, found.gtk_squares)
            if self.peaks is not None:
                self.peaks.fill(found)

    def finish(self, now: Rates, interrupted: bool) -> Watched:
        """End the spill: judge its beam, scan the spectra, write the snapshot. Raises SnapshotError."""
        again = self._start.index <= self._included
        quality = self.beam.report()
        searches: tuple[SearchState, ...] = ()
        if self.peaks is not None:
            name = self._request.experiment.beam.intensity_detector
            primitives = now.stages["l0"].primitives.get(name, 0)
            whole = now.l1 is not None and not now.l1.fates[FATES.index("not_read_out")]
            self.peaks.end(primitives, now.frames, whole)
            self._seen[self._name] = None
            searches = tuple(self.peaks.states())
        self.last = Watched(quality, searches)
        if not again:
            self.spills += 1
            self._interrupted += interrupted
            self._history.append(self._row(self.last))
            self._write()
        return self.last

    @property
    def estimators(self) -> tuple[str, ...]:
        """Those whose intensity is that of the beam: of the experiment's detector, and of the GTK."""
        return self._request.experiment.beam.intensity_detector, GTK

    def selected(self) -> dict[str, int]:
        """Return the events that each search took of the present spill."""
        return {} if self.peaks is None else self.peaks.selected()

    def _fine(self) -> dict[str, dict[str, object]]:
        """Return the intensity in fine bins: edges in s, MHz by estimator."""
        found = {}
        for name, width_s in (("5 ms", BIN_S), ("1 ms", FINE_BIN_S)):
            edges, mhz = self.beam.intensity_in_bins(width_s)
            found[name] = {
                "edges_s": edges,
                "intensity_mhz": {name: mhz[name] for name in self.estimators if name in mhz},
            }
        return found

    def _write(self) -> None:
        """Write the snapshot. A disk that is full does not end the replay; the report says so."""
        if self._request.snapshot is None:
            return
        self.problem = ""
        try:
            write_snapshot(self._request.snapshot, self.snapshot())
        except SnapshotError as wrong:
            self.problem = str(wrong)

    def _row(self, watched: Watched) -> SpillRow:
        beam = watched.quality.beam
        duty = None if beam is None or beam.duty.plateau_5ms is None else beam.duty.plateau_5ms.declustered
        return SpillRow(
            run=self._start.run,
            burst=self._start.burst,
            index=self._start.index,
            duty_factor=duty,
            quality=watched.quality.grade,
            selected={state.search.name: state.spill.selected for state in watched.searches},
        )

    def snapshot(self) -> Snapshot:
        """Return what is known after the last spill."""
        assert self.last is not None
        snapshot = Snapshot(
            experiment=self._request.experiment.name,
            menu=self._menu.name,
            menu_hash=self._menu.hash,
            spills=self.spills,
            interrupted=self._interrupted,
            spill=asdict(self.last.quality) | {"fine": self._fine()},
            history=tuple(self._history),
            seen=tuple(self._seen),
        )
        if self.peaks is None:
            # What was found before stays.
            old = self._old
            kept = {} if old is None else {name: getattr(old, name) for name in OF_SEARCHES}
            return snapshot.model_copy(update=kept)
        from streams.monitors.snapshot_content import fill_snapshot

        return fill_snapshot(snapshot, self.peaks, self.last.searches)
