"""Golden events of the STRAW algorithm: straws with their times, and what the experiment's L1 code answered.

A file is a numpy archive (.npz). The straws of event e are those from hit_offsets[e] to hit_offsets[e + 1]; each has
one leading and one trailing time, in ns since the trigger. Arrays that are not named here are ignored.
"""

from __future__ import annotations

import struct
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streams.regular import not_regular
from trigger.clock import LSB_NS
from trigger.errors import KtrigError
from trigger.frames import ID_SHIFT, TIME_MASK
from trigger.l1.events import DetectorHits
from trigger.l1.straw.comparison import COMPARED_TRACKS, HitLists, StrawAnswers
from trigger.l1.straw.edges import TRAILING_NS
from trigger.l1.straw.geometry import N_STRAWS, place_of_id
from trigger.l1.straw.hits import MISSING_NS
from trigger.l1.window import TRAILING

TRIGGER_LSB: Final = 1 << 15
"""Time of the trigger of all events, for their edges: the middle of a frame."""

FAR_LSB: Final = 1 << 15
"""An edge as far from the trigger has no time of 16 bits."""

REMEDY: Final = "give a golden file of the STRAW algorithm, as t1-n0.npz"

WHOLE: Final = "iu"
REAL: Final = "f"
KINDS: Final = {WHOLE: "integers", REAL: "floating-point numbers"}

ARRAYS: Final = {
    "hit_offsets": WHOLE,
    "straw_id": WHOLE,
    "leading_ns": REAL,
    "trailing_ns": REAL,
    "verdict": WHOLE,
    "n_tracks": WHOLE,
    "track_p_mev": REAL,
    "track_vertex_z_mm": REAL,
}
"""Arrays by name, and the kinds of numpy types that they may have."""

MATRICES: Final = ("track_p_mev", "track_vertex_z_mm")

_DAMAGED: Final = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    tokenize.TokenError,
    EOFError,
    LookupError,
    MemoryError,
    OverflowError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)
"""What numpy and zipfile raise for bytes that are not what they should be."""

PLACES: Final = np.array([place_of_id(straw_id) for straw_id in range(N_STRAWS)], np.int64)


class GoldenStrawError(KtrigError):
    """A golden file of the STRAW algorithm that cannot be read or is wrong."""


@dataclass(frozen=True)
class GoldenStraw:
    """One file.

    offsets: int64[n + 1]. straw_id: int64. leading_ns, trailing_ns: float32. recorded: the answers of the
    experiment's code; charges are not recorded.
    """

    source: str
    offsets: NDArray[np.int64]
    straw_id: NDArray[np.int64]
    leading_ns: NDArray[np.float32]
    trailing_ns: NDArray[np.float32]
    recorded: StrawAnswers

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def event(self) -> NDArray[np.int64]:
        """The event of each straw: int64."""
        return _events(self.offsets)

    def hits(self) -> HitLists:
        """Return the straws of each event in the order of leading time, equal ones by ID, for the search.

        A trailing time that would not be read, see `edges.TRAILING_NS`, is missing.
        """
        order = np.lexsort((self.straw_id, self.leading_ns, self.event))
        trailing = self.trailing_ns[order]
        read = (TRAILING_NS[0] < trailing) & (trailing < TRAILING_NS[1])
        return HitLists(
            self.offsets,
            PLACES[self.straw_id[order]],
            self.leading_ns[order],
            np.where(read, trailing, MISSING_NS).astype(np.float32),
        )

    def edges(self) -> DetectorHits:
        """Return the edges of each event in the order of time, rounded to LSB, around a trigger at TRIGGER_LSB.

        Equal times are in the order of straw ID. Those that are too far from the trigger are left out.
        """
        lsb = np.rint(np.concatenate([self.leading_ns, self.trailing_ns]).astype(np.float64) / LSB_NS)
        event = np.concatenate([self.event, self.event])
        ids = np.concatenate([self.straw_id, self.straw_id | TRAILING])
        straws = np.concatenate([self.straw_id, self.straw_id])
        near = np.abs(lsb) < FAR_LSB
        order = np.lexsort((ids[near], straws[near], lsb[near], event[near]))
        times = (lsb[near][order].astype(np.int64) + TRIGGER_LSB) & TIME_MASK
        ends = np.cumsum(np.bincount(event[near], minlength=len(self)))
        return DetectorHits(
            ((ids[near][order] << ID_SHIFT) | times).astype(np.uint32),
            np.concatenate([[0], ends[:-1]]).astype(np.int64),
            ends.astype(np.int64),
        )


def read(path: str | Path) -> GoldenStraw:
    """Read a golden file. Raises GoldenStrawError that names file, array, value and remedy."""
    source = str(path)
    arrays = _arrays(Path(path))
    for name, kinds in ARRAYS.items():
        _check_form(source, name, arrays[name], kinds)
    n_events, n_straws = len(arrays["hit_offsets"]) - 1, len(arrays["straw_id"])
    if n_events < 1:
        raise _fault(source, "hit_offsets", f"must have 2 entries or more (has {n_events + 1})")
    for name, array in arrays.items():
        _check_length(source, name, array, n_events, n_straws)
    _check_values(source, arrays)
    return GoldenStraw(
        source,
        arrays["hit_offsets"].astype(np.int64),
        arrays["straw_id"].astype(np.int64),
        _single(arrays["leading_ns"]),
        _single(arrays["trailing_ns"]),
        _recorded(arrays),
    )


def _events(offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the event of each straw."""
    return np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))


def _single(times: NDArray[Any]) -> NDArray[np.float32]:
    """Return times in 32 bits; one too large is infinite."""
    with np.errstate(over="ignore"):
        return times.astype(np.float32)


def _recorded(arrays: dict[str, NDArray[Any]]) -> StrawAnswers:
    p, z = (np.ascontiguousarray(arrays[name][:, :COMPARED_TRACKS], np.float64) for name in MATRICES)
    return StrawAnswers(
        arrays["verdict"].astype(np.int64), arrays["n_tracks"].astype(np.int64), p, z, np.zeros_like(p)
    )


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read the arrays that are wanted, without running anything that is pickled in them."""
    try:
        if what := not_regular(path):
            raise GoldenStrawError(f"{path}: is {what}; {REMEDY}")
        with path.open("rb") as file:
            if not zipfile.is_zipfile(file):
                raise GoldenStrawError(f"{path}: is not a numpy archive, or is cut short; {REMEDY}")
            file.seek(0)
            with warnings.catch_warnings(action="ignore"), np.load(file, allow_pickle=False) as archive:
                return dict(_wanted(str(path), archive))
    except OSError as wrong:
        raise GoldenStrawError(f"{path}: {wrong.strerror or wrong}; {REMEDY}") from None
    except _DAMAGED as wrong:
        raise GoldenStrawError(
            f"{path}: is damaged ({' '.join(str(wrong).split())}); copy the file again"
        ) from None


def _wanted(source: str, archive: Any) -> Iterator[tuple[str, NDArray[Any]]]:
    for name in ARRAYS:
        if name not in archive.files:
            there = ", ".join(archive.files) or "nothing"
            raise _fault(source, name, f"is missing (there are {there})")
        try:
            array = archive[name]
        except _DAMAGED as wrong:
            raise GoldenStrawError(
                f"{source}: {name}: is damaged ({' '.join(str(wrong).split())}); copy the file again"
            ) from None
        if not isinstance(array, np.ndarray):
            raise _fault(source, name, "is not a numpy array")
        yield name, array


def _fault(source: str, name: str, message: str) -> GoldenStrawError:
    return GoldenStrawError(f"{source}: {name}: {message}; {REMEDY}")


def _check_form(source: str, name: str, array: NDArray[Any], kinds: str) -> None:
    if array.dtype.kind not in kinds:
        raise _fault(source, name, f"must be {KINDS[kinds]} (is {array.dtype})")
    wanted = 2 if name in MATRICES else 1
    if array.ndim != wanted:
        raise _fault(source, name, f"must have {wanted} dimension{'s' * (wanted > 1)} (has {array.ndim})")


def _check_length(source: str, name: str, array: NDArray[Any], n_events: int, n_straws: int) -> None:
    """Raise unless an array has an entry a straw or an event."""
    if name == "hit_offsets":
        return
    of_straws = name in ("leading_ns", "trailing_ns", "straw_id")
    wanted, of = (n_straws, "straw_id") if of_straws else (n_events, "hit_offsets less one")
    if len(array) != wanted:
        raise _fault(source, name, f"must be as long as {of}, {wanted} (is {len(array)})")
    if name in MATRICES and array.shape[1] < COMPARED_TRACKS:
        raise _fault(source, name, f"must have {COMPARED_TRACKS} columns or more (has {array.shape[1]})")


def _check_values(source: str, arrays: dict[str, NDArray[Any]]) -> None:
    """Raise unless the offsets cut the straws, and each event has a straw of the spectrometer once at most."""
    offsets, straw_id = arrays["hit_offsets"], arrays["straw_id"]
    falls = np.flatnonzero(offsets[1:] < offsets[:-1])
    if falls.size:
        i = int(falls[0])
        raise _fault(source, f"hit_offsets[{i + 1}]", f"must not be below {offsets[i]} (is {offsets[i + 1]})")
    if offsets[0] != 0:
        raise _fault(source, "hit_offsets[0]", f"must be 0 (is {offsets[0]})")
    if offsets[-1] != len(straw_id):
        last = f"hit_offsets[{len(offsets) - 1}]"
        raise _fault(source, last, f"must be the length of straw_id, {len(straw_id)} (is {offsets[-1]})")
    foreign = np.flatnonzero((straw_id < 0) | (straw_id >= N_STRAWS))
    if foreign.size:
        i = int(foreign[0])
        raise _fault(source, f"straw_id[{i}]", f"must be 0 to {N_STRAWS - 1} (is {straw_id[i]})")
    timeless = np.flatnonzero(~np.isfinite(_single(arrays["leading_ns"])))
    if timeless.size:
        i = int(timeless[0])
        raise _fault(source, f"leading_ns[{i}]", f"must be finite (is {arrays['leading_ns'][i]})")
    event = _events(offsets.astype(np.int64))
    key = event * N_STRAWS + straw_id.astype(np.int64)
    order = np.argsort(key, kind="stable")
    again = np.flatnonzero(np.diff(key[order]) == 0)
    if again.size:
        i = int(order[again[0] + 1])
        raise _fault(
            source, f"straw_id[{i}]", f"must be in event {event[i]} once only (is {straw_id[i]} again)"
        )
