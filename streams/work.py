"""Tasks for L1 workers and their answers, in memory and as messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, FiniteFloat, TypeAdapter

from streams.exchange import read_array, read_body
from streams.wire.message import MalformedMessage, Message
from streams.wire.state import Count
from trigger.l1.algorithms import CALL_STRAW
from trigger.l1.decision import MAX_TRACKS, TRACK_FIELDS, Answers
from trigger.l1.events import DETECTORS
from trigger.l1.straw.verdict import ALL

TASK: Final = "task"
ANSWER: Final = "answer"
ASK: Final = "ask"


@dataclass(frozen=True)
class Task:
    """Events for a worker.

    spill: its number in the replay. times_lsb: int64[n], at least one. masks: uint16[n], those to run. stamps:
    uint8[n], see `l1.stamps`.
    """

    number: int
    spill: int
    times_lsb: NDArray[np.int64]
    masks: NDArray[np.uint16]
    stamps: NDArray[np.uint8]

    def message(self) -> Message:
        """Return this as a message; the giver numbers it."""
        arrays: dict[str, NDArray[Any]] = {"time": self.times_lsb, "masks": self.masks, "stamps": self.stamps}
        return Message(TASK, body={"number": self.number, "spill": self.spill}, arrays=arrays)

    @classmethod
    def of(cls, message: Message) -> Task:
        """Read it back. Raises MalformedMessage."""
        body = read_body(_TASK, message.body, TASK)
        times = read_array(message, "time", np.int64)
        masks = read_array(message, "masks", np.uint16, len(times))
        if not len(times):
            raise MalformedMessage("task: it has no events")
        return cls(body.number, body.spill, times, masks, read_array(message, "stamps", np.uint8, len(times)))


@dataclass(frozen=True)
class HitLists:
    """Hits of one detector for the events that may be accepted, each its own.

    first: int64[n events + 1]. since_lsb: int16, time since the trigger. identity: uint16.
    """

    first: NDArray[np.int64]
    since_lsb: NDArray[np.int16]
    identity: NDArray[np.uint16]


@dataclass(frozen=True)
class Found:
    """What the events of a task are to the monitors.

    event, search, value: entries of the spectra, int32[m], uint8[m] (place in `searches.catalogue`), float32[m], in
    the order of events; those of events that are not accepted are to be dropped. gtk_hits: uint16[n], of each event.
    """

    event: NDArray[np.int32]
    search: NDArray[np.uint8]
    value: NDArray[np.float32]
    gtk_hits: NDArray[np.uint16]


@dataclass(frozen=True)
class Answer:
    """What a worker makes of a task.

    status: uint8[n], see `l1.events`. missing: events whose window each detector does not cover. hits: by detector,
    None unless asked for. found: for the monitors, None unless asked for. reading_s, busy_s, monitors_s: CPU time of
    reading hits, of building and judging events, of finding what the monitors look at.
    """

    number: int
    status: NDArray[np.uint8]
    answers: Answers
    missing: Mapping[str, int]
    busy_s: float
    reading_s: float
    hits: Mapping[str, HitLists] | None = None
    found: Found | None = None
    monitors_s: float = 0.0

    def message(self) -> Message:
        """Return this as a message."""
        a = self.answers
        kept = a.tracks[: a.first_track[-1]]
        arrays: dict[str, NDArray[Any]] = {
            "status": self.status,
            **{name: getattr(a, name) for name in _ARRAYS},
            "tracks": kept.ravel(),
        }
        for name, lists in (self.hits or {}).items():
            arrays |= {f"{name}.{field}": getattr(lists, field) for field in _HIT_ARRAYS}
        if self.found is not None:
            arrays |= {f"found.{name}": array for name, array in vars(self.found).items()}
        body = {
            "number": self.number,
            "missing": dict(self.missing),
            "busy_s": self.busy_s,
            "reading_s": self.reading_s,
            "monitors_s": self.monitors_s,
            "hits": list(self.hits or ()),
        }
        return Message(ANSWER, body=body, arrays=arrays)

    @classmethod
    def of(cls, message: Message, task: Task) -> Answer:
        """Read the answer to a task back. Raises MalformedMessage if it is none."""
        body = read_body(_ANSWER, message.body, ANSWER)
        n = len(task.times_lsb)
        found = {name: read_array(message, name, dtype, n + more) for name, (dtype, more) in _ARRAYS.items()}
        first = found["first_track"]
        flat = read_array(message, "tracks", np.float32)
        counts = np.diff(first)
        if first[0] != 0 or (counts < 0).any() or (counts > MAX_TRACKS).any():
            raise MalformedMessage("answer: first_track does not rise by at most five tracks an event")
        if len(flat) != first[-1] * len(TRACK_FIELDS):
            raise MalformedMessage(f"answer: {len(flat)} numbers are not the tracks that first_track has")
        known = (1 << CALL_STRAW + 1) - 1
        if (found["done"] > known).any() or (found["verdict"] > ALL).any() or (found["n_tracks"] < -1).any():
            raise MalformedMessage("answer: it says what no algorithm says")
        answers = Answers(**found, tracks=flat.reshape(-1, len(TRACK_FIELDS)))
        status = read_array(message, "status", np.uint8, n)
        hits = {name: _read_lists(message, name, n) for name in body.hits} or None
        return cls(
            task.number, status, answers, body.missing, body.busy_s, body.reading_s, hits, _read_found(message, n),
            body.monitors_s,
        )  # fmt: skip


_ARRAYS: Final[dict[str, tuple[Any, int]]] = {
    "done": (np.uint16, 0),
    "value": (np.uint16, 0),
    "verdict": (np.uint8, 0),
    "n_tracks": (np.int16, 0),
    "first_track": (np.int64, 1),
    "wanted": (np.uint8, 0),
}
"""Arrays of Answers: type, and how many more than events."""

_HIT_ARRAYS: Final = ("first", "since_lsb", "identity")


@dataclass(frozen=True)
class _TaskBody:
    number: Count
    spill: Count


@dataclass(frozen=True)
class _AnswerBody:
    number: Count
    missing: dict[str, Count]
    busy_s: FiniteFloat
    reading_s: FiniteFloat
    monitors_s: FiniteFloat
    hits: tuple[str, ...]


@dataclass(frozen=True)
class Asked:
    """What a worker says when it wants tasks. instance: drawn at its start. credit: tasks that it takes at once."""

    worker: Annotated[str, Field(min_length=1, max_length=100)]
    instance: Count
    credit: Annotated[int, Field(strict=True, ge=1, le=100)]


_TASK: Final = TypeAdapter(_TaskBody)
_ANSWER: Final = TypeAdapter(_AnswerBody)
_ASKED: Final = TypeAdapter(Asked)


def read_asked(message: Message) -> Asked:
    """Read what a worker asks. Raises MalformedMessage."""
    return read_body(_ASKED, message.body, ASK)


def read_number(message: Message) -> int:
    """Return which task an answer is to. Raises MalformedMessage."""
    return read_body(_ANSWER, message.body, ANSWER).number


def _read_lists(message: Message, name: str, n: int) -> HitLists:
    if name not in DETECTORS:
        raise MalformedMessage(f"answer: {name!r} has no hits for L1")
    first = read_array(message, f"{name}.first", np.int64, n + 1)
    since = read_array(message, f"{name}.since_lsb", np.int16)
    if first[0] != 0 or first[-1] != len(since) or (np.diff(first) < 0).any():
        raise MalformedMessage(f"answer: {name}.first does not rise from 0 to the {len(since)} hits")
    return HitLists(first, since, read_array(message, f"{name}.identity", np.uint16, len(since)))


def _read_found(message: Message, n: int) -> Found | None:
    if "found.event" not in message.arrays:
        return None
    event = read_array(message, "found.event", np.int32)
    if (np.diff(event) < 0).any() or (event < 0).any() or (event >= n).any():
        raise MalformedMessage(f"answer: found.event does not rise from 0 to below the {n} events")
    return Found(
        event,
        read_array(message, "found.search", np.uint8, len(event)),
        read_array(message, "found.value", np.float32, len(event)),
        read_array(message, "found.gtk_hits", np.uint16, n),
    )
