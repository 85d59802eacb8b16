"""The file of accepted events, one for each spill: what passed both trigger levels, with its tracks and hits.

The form is in docs/accepted-events.md. A file is written as NAME.partial and renamed at the end of its spill.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
from numpy.typing import NDArray

from streams.accepted_form import FORMAT, VERSION
from streams.exchange import SpillStart
from streams.spill.layout import fixed
from streams.stages.request import Request
from streams.work import Answer, HitLists
from trigger.errors import KtrigError
from trigger.l0.triggers import Triggers
from trigger.l1.conclusion import Conclusions
from trigger.l1.decision import TRACK_FIELDS
from trigger.l1.events import DETECTORS

CHUNK: Final = 16384

EVENT_FIELDS: Final[dict[str, Any]] = {
    "time_lsb": np.int64,
    "l0_flags": np.uint16,
    "l0_word": np.uint8,
    "l1_word": np.uint8,
    "l1_masks": np.uint16,
    "status": np.uint8,
    "straw_verdict": np.uint8,
    "straw_tracks": np.int16,
}
"""Arrays of /events, one number an event."""

HIT_FIELDS: Final[dict[str, Any]] = {"since_lsb": np.int16, "id": np.uint16}
"""Arrays of /hits/DETECTOR, one number a hit."""


class AcceptedError(KtrigError):
    """A file of accepted events that cannot be written."""


def path_of(request: Request, index: int) -> Path:
    """Return the path for a spill of a replay: as asked for, with its number if there are several."""
    assert request.out is not None
    if len(request.spills) == 1:
        return request.out
    return request.out.with_name(f"{request.out.stem}-{index + 1}{request.out.suffix}")


class AcceptedFile:
    """The file of one spill while it is written. Raises AcceptedError when the disk does not take it."""

    def __init__(self, request: Request, start: SpillStart) -> None:
        self.path = path_of(request, start.index)
        self._partial = self.path.with_name(self.path.name + ".partial")
        try:
            self._file: h5py.File | None = h5py.File(self._partial, "w", libver="v110")
        except OSError as wrong:
            raise self._failed(wrong) from None
        self._columns: dict[str, _Column] = {}
        self._totals: dict[str, int] = {}
        self._describe(request, start)

    def _describe(self, request: Request, start: SpillStart) -> None:
        file = self._file
        assert file is not None
        texts = {
            "format": FORMAT,
            "experiment": start.experiment,
            "spill": start.file,
            "menu": request.menu.name,
            "menu_hash": request.menu.hash,
            "lines": json.dumps([line.name for line in request.menu.line]),
        }
        for name, text in texts.items():
            file.attrs[name] = fixed(text)
        for name, number in (("version", VERSION), ("run", start.run), ("burst", start.burst)):
            file.attrs[name] = np.int64(number)
        for name, dtype in EVENT_FIELDS.items():
            self._column(f"events/{name}", dtype)
        for name in TRACK_FIELDS:
            self._column(f"tracks/{name}", np.float32)
        for group in ("tracks", *(f"hits/{name}" for name in DETECTORS)):
            self._column(f"{group}/first", np.int64).append(np.zeros(1, np.int64))
            self._totals[group] = 0
        for detector in DETECTORS:
            for name, dtype in HIT_FIELDS.items():
                self._column(f"hits/{detector}/{name}", dtype)

    def _column(self, place: str, dtype: Any) -> _Column:
        self._columns[place] = _Column(self._file, place, dtype)
        return self._columns[place]

    def write(
        self, triggers: Triggers, answer: Answer, found: Conclusions, accepted: NDArray[np.int64]
    ) -> None:
        """Append the events with the numbers `accepted` of a block."""
        events: dict[str, NDArray[Any]] = {
            "time_lsb": triggers.time_lsb,
            "l0_flags": triggers.flags,
            "l0_word": triggers.word,
            "l1_word": found.words,
            "l1_masks": found.passed,
            "status": answer.status,
            "straw_verdict": answer.answers.verdict,
            "straw_tracks": answer.answers.n_tracks,
        }
        try:
            for name, values in events.items():
                self._columns[f"events/{name}"].append(values[accepted])
            rows = self._rows("tracks", answer.answers.first_track, accepted)
            for k, name in enumerate(TRACK_FIELDS):
                self._columns[f"tracks/{name}"].append(answer.answers.tracks[rows, k])
            for detector, lists in (answer.hits or {}).items():
                self._write_hits(f"hits/{detector}", lists, accepted)
        except OSError as wrong:
            raise self._failed(wrong) from None

    def _write_hits(self, group: str, lists: HitLists, accepted: NDArray[np.int64]) -> None:
        rows = self._rows(group, lists.first, accepted)
        self._columns[f"{group}/since_lsb"].append(lists.since_lsb[rows])
        self._columns[f"{group}/id"].append(lists.identity[rows])

    def _rows(self, group: str, first: NDArray[np.int64], accepted: NDArray[np.int64]) -> NDArray[np.int64]:
        """Append where the rows of each event end; return the numbers of its rows in the block."""
        counts = np.diff(first)[accepted]
        ends = self._totals[group] + np.cumsum(counts)
        self._columns[f"{group}/first"].append(ends)
        total = int(counts.sum())
        self._totals[group] += total
        starts = np.repeat(first[:-1][accepted] - (np.cumsum(counts) - counts), counts)
        return starts + np.arange(total)

    def commit(self, interrupted: bool) -> None:
        """Close the file and give it its name; interrupted: whether the spill was not played to its end."""
        file = self._file
        assert file is not None
        try:
            file.attrs["complete"] = np.bool_(not interrupted)
            for column in self._columns.values():
                column.flush()
            file.close()
            self._file = None
            self._partial.rename(self.path)
        except OSError as wrong:
            raise self._failed(wrong) from None

    def _failed(self, wrong: OSError) -> AcceptedError:
        reason = wrong.strerror or " ".join(str(wrong).split())
        return AcceptedError(
            f"--out {self.path}: {reason}; name a file on a disk that has room and may be written"
        )

    def close(self) -> None:
        """Remove what was written, if it was not committed."""
        if self._file is not None:
            with contextlib.suppress(OSError, RuntimeError):
                self._file.close()
            self._file = None
            self._partial.unlink(missing_ok=True)


class _Column:
    """An array that grows; written in whole chunks."""

    def __init__(self, file: h5py.File, place: str, dtype: Any) -> None:
        self._dataset = file.create_dataset(
            place, (0,), np.dtype(dtype).newbyteorder("<"), maxshape=(None,), chunks=(CHUNK,)
        )
        self._parts: list[NDArray[Any]] = []
        self._waiting = 0

    def append(self, values: NDArray[Any]) -> None:
        """Add values."""
        self._parts.append(np.array(values, self._dataset.dtype))
        self._waiting += len(values)
        if self._waiting >= 8 * CHUNK:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        values = np.concatenate(self._parts) if self._parts else np.zeros(0, self._dataset.dtype)
        n = len(self._dataset)
        self._dataset.resize((n + len(values),))
        self._dataset[n:] = values
        self._parts, self._waiting = [], 0
