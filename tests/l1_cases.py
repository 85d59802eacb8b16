"""Menus and events for tests of L1: random ones, and ones made of a few hits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from naive_l1 import DETECTORS, MANY_EDGES, TRAILING, Hit, NaiveEvent

from trigger.l1.conclusion import Tally
from trigger.l1.events import NOT_READ_OUT, DetectorHits, EventHits, Events
from trigger.l1.fates import FATES
from trigger.l1.processor import L1Processor
from trigger.menu import Menu

FRAME = 1 << 16
MIDDLE = 5 * FRAME + 30000
"""A trigger time far from the borders of frames."""

TOO_MUCH = [Hit(0, 0)] * MANY_EDGES
"""Straw edges that are not looked at, there are so many."""

SMALL = {"reference": "RICH", "fine_time_bits": 2, "time_cut_lsb": 64}

STEPS = (
    "KTAG",
    "CHOD",
    "NewCHOD",
    "LAV",
    "IRCSAC",
    "MUV3(tight)",
    "MUV3(opposite)",
    "MUV3(multiplicity)",
    "STRAW(pnn)",
    "STRAW(exotic+dv-loose)",
)

KAON = {"KTAG": [(0, 48 * sector) for sector in range(5)]}
ONE_SLAB = {"CHOD": [(0, 5)]}
PHOTONS = {"LAV": [(t, 512 + 2 * i + edge) for i in range(3) for t, edge in ((0, 0), (30, TRAILING))]}
"""Hits that meet KTAG, CHOD and LAV."""

IDS: Mapping[str, Sequence[int]] = {
    "KTAG": [48 * sector + tube for sector in range(9) for tube in (0, 47)] + [TRAILING, TRAILING + 48],
    "CHOD": [0, 1, 63, 126, 127, 128, 191, TRAILING],
    "NewCHOD": [100, 149, 150, 199, 200, 249, 250, 101, 151, TRAILING + 100],
    "LAV": [i + edge for i in (510, 512, 513, 514, 5630, 5632) for edge in (0, TRAILING)],
    "IRCSAC": [i + edge for i in (0, 1, 2, 126, 127, 128) for edge in (0, TRAILING)],
    "MUV3": [0, 5, 6, 11, 12, 17, 131, 143, 144, 151, 152, 199, 200, 205, 206, 211, 331, 343, 344, 351, 352]
    + [TRAILING, TRAILING + 200],
}
"""IDs at the edges of what each algorithm looks at."""

SINCE = (-514, -206, -205, -103, -102, -52, -51, -1, 0, 0, 0, 1, 51, 52, 102, 103, 205, 206, 512, 513)
"""Times since the trigger in LSB, about those of windows and of pairs."""


def menu(*lines: Iterable[Any] | Mapping[str, Any], **l1: Any) -> Menu:
    """Make a menu of lines, each its algorithms or a dictionary of l1 and l1_reduction; the rest is its [l1]."""
    rows = []
    for i, line in enumerate(lines):
        fields = dict(line) if isinstance(line, Mapping) else {"l1": list(line)}
        rows.append({"name": f"L{i}", "condition": "RICH", "downscaling": 1} | fields)
    return Menu.model_validate({"name": "m", "experiment": "na62", "l0": SMALL, "l1": l1, "line": rows})


def event(hits: Mapping[str, Iterable[tuple[int, int]]] | None = None, time: int = MIDDLE) -> NaiveEvent:
    """Make an event of (time since the trigger, ID) by detector; equal times keep their order."""
    found = {
        name: sorted((Hit(time + since, identity) for since, identity in rows), key=lambda hit: hit.time)
        for name, rows in (hits or {}).items()
    }
    return NaiveEvent(time, found)


def _words(hits: Sequence[Hit]) -> list[int]:
    return [hit.id << 16 | hit.time % FRAME for hit in hits]


def events_of(naive: Sequence[NaiveEvent]) -> Events:
    """Give events the form of the builder's."""
    hits = []
    for name in DETECTORS:
        of_each = [e.hits.get(name, []) for e in naive]
        stops = np.cumsum([0, *map(len, of_each)]).astype(np.int64)
        words = np.array([word for one in of_each for word in _words(one)], np.uint32)
        hits.append(DetectorHits(words, stops[:-1].copy(), stops[1:].copy()))
    status = [
        sum(1 << d for d, name in enumerate(DETECTORS) if name in e.missing)
        | (0 if e.read_out else NOT_READ_OUT)
        for e in naive
    ]
    missing = {name: sum(name in e.missing for e in naive) for name in DETECTORS}
    times = np.array([e.time for e in naive], np.int64)
    return Events(times, np.array(status, np.uint8), EventHits(*hits), missing)


class Case(NamedTuple):
    """A menu, and what L0 and the detectors say of a few events in order."""

    menu: Menu
    events: list[NaiveEvent]
    flags: list[int]
    words: list[int]


class Found(NamedTuple):
    """What the processor says: columns over all events, then its sums."""

    words: list[int]
    passed: list[int]
    fates: list[str]
    done: list[int]
    value: list[int]
    wanted: list[int]
    tally: Tally


def run(case: Case, cuts: Sequence[int] = ()) -> Found:
    """Run the processor on the events, cut into blocks at these places (twice the same gives an empty one)."""
    l1 = L1Processor(case.menu)
    columns: list[list[Any]] = [[] for _ in range(6)]
    for begin, end in pairwise([0, *sorted(cuts), len(case.events)]):
        found, answers = l1.process(
            events_of(case.events[begin:end]),
            np.array(case.flags[begin:end], np.uint16),
            np.array(case.words[begin:end], np.uint8),
        )
        fates = [FATES[fate] for fate in found.fates]
        numbers = (found.words, found.passed, answers.done, answers.value, answers.wanted)
        words, passed, *of_algorithms = (column.tolist() for column in numbers)
        for column, part in zip(columns, (words, passed, fates, *of_algorithms), strict=True):
            column += part
    words, passed, fates, done, value, wanted = columns
    return Found(words, passed, fates, done, value, wanted, l1.tally)


def word_of(made: Menu, one: NaiveEvent, flags: int = 1, word: int = 1) -> int:
    """Return the L1 word of the first event of a spill."""
    return run(Case(made, [one], [flags], [word])).words[0]


def meets(step: str, one: NaiveEvent, **l1: Any) -> bool:
    """Whether an event meets the condition of an algorithm."""
    return word_of(menu([step], **l1), one) == 1


def random_rows(rng: np.random.Generator, detector: str) -> list[tuple[int, int]]:
    """Return (time since the trigger, ID) of a few hits at edges, now and then of many at the same time."""
    ids = IDS[detector]
    n = int(rng.integers(0, 15))
    since = rng.choice(SINCE, n) if rng.random() < 0.5 else rng.integers(-60, 60, n)
    if rng.random() < 0.2:
        since[:] = rng.choice(SINCE)
    return [(int(t), int(i)) for t, i in zip(since, rng.choice(ids, n), strict=True)]


def random_event(rng: np.random.Generator, time: int) -> NaiveEvent:
    """Return an event with hits of all detectors, some of them missing, or without any."""
    one = event({name: random_rows(rng, name) for name in IDS}, time)
    one.hits["STRAW"] = TOO_MUCH if rng.random() < 0.5 else []
    one.missing = {name for name in DETECTORS if rng.random() < 0.05}
    one.read_out = bool(rng.random() < 0.9)
    return one


def random_events(rng: np.random.Generator, n: int) -> list[NaiveEvent]:
    """Return events in the order of time, a third of them at the border of a frame."""
    frames = np.sort(rng.integers(1, 1000, n))
    inside = np.where(rng.random(n) < 1 / 3, rng.choice([0, 1, FRAME - 1], n), rng.integers(0, FRAME, n))
    return [random_event(rng, int(time)) for time in np.sort(frames * FRAME + inside)]


def _random_step(rng: np.random.Generator) -> dict[str, Any]:
    text = "?" * int(rng.random() < 0.25) + "!" * int(rng.random() < 0.45) + str(rng.choice(STEPS))
    return {"run": text, "downscaling": int(rng.choice([1, 1, 1, 2, 3]))}


def random_settings(rng: np.random.Generator) -> dict[str, Any]:
    """Return windows and thresholds, some of them the defaults."""
    windows = {name: float(rng.choice([5.0, 10.0, 20.0, 0.05, 70.0])) for name in IDS if rng.random() < 0.5}
    thresholds = {
        "ktag_sectors": int(rng.integers(1, 6)),
        "chod_hits": int(rng.integers(1, 6)),
        "newchod_pairs": int(rng.integers(1, 4)),
        "newchod_pair_ns": float(rng.choice([5.0, 0.05, 20.0])),
        "lav_hits": int(rng.integers(1, 4)),
        "ircsac_hits": int(rng.integers(1, 3)),
        "muv3_tight_ns": float(rng.choice([50.0, 10.0, 0.05])),
        "muv3_opposite_ns": float(rng.choice([10.0, 5.0, 0.05])),
    }
    chosen = {name: value for name, value in thresholds.items() if rng.random() < 0.7}
    return {"windows_ns": windows, "thresholds": chosen}


def random_menu(rng: np.random.Generator) -> Menu:
    """Return a menu with all that L1 can do; each of its rarer settings is on in some."""
    lines = []
    for _ in range(int(rng.integers(1, 6))):
        chain = [_random_step(rng) for _ in range(int(rng.integers(0, 5)))]
        lines.append({"l1": chain, "l1_reduction": int(rng.choice([1, 1, 2, 3]))})
    return menu(
        *lines,
        **random_settings(rng),
        autopass=int(rng.choice([0, 0, 1, 3])),
        flag_mode=bool(rng.random() < 0.1),
        reduction=int(rng.choice([1, 1, 1, 2])),
        downscaling=int(rng.choice([1, 1, 2, 3])),
        bypass_probability=float(rng.choice([0.0, 0.0, 0.3, 1.0], p=[0.4, 0.3, 0.25, 0.05])),
    )
