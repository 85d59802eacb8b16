"""The slow, obvious twin of the L1 trigger, but for the search for straw tracks.

It shares nothing with trigger/l1 but the menu's settings. Times are whole numbers of LSB since SOB and do not wrap.
The rules are those of the experiment's L1 software, with these exceptions, which are ktrig's own:

- A window belongs to an algorithm, not to a mask; algorithms run in the order of the line, and each is computed once.
- Missing hits make a condition false, so a veto is met.
- The flag bit of the L1 word is set only by a mask whose cuts passed.
- A step's downscaling counts the events that meet its condition and came as far as that; a cut that is taken by it
  ends its mask.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from trigger.clock import LSB_NS
from trigger.l1.settings import L1Settings, Step
from trigger.menu import Menu

DETECTORS = ("KTAG", "CHOD", "NewCHOD", "LAV", "IRCSAC", "MUV3", "STRAW")
FRAME = 1 << 16
TRAILING = 0x8000
MANY_EDGES = 1500
ALL_STRAW_BITS = 0x3F
STRAW_BITS = {"pnn": 1, "exotic": 2, "multi-track": 4, "dv-loose": 8, "dv-tight": 16, "one-track": 32}

SOB, EOB = 0x22, 0x23
CHOKE_ON, CHOKE_OFF = 0x24, 0x25
CALIBRATION = 0x30, 0x32
SPECIAL = {SOB, EOB, CHOKE_ON, CHOKE_OFF, *CALIBRATION}
PULSER = 0x31
PERIODIC, CONTROL = 0x02, 0x10


class Hit(NamedTuple):
    """time: LSB since SOB."""

    time: int
    id: int


class NaiveStream(NamedTuple):
    """Hits in the order of time, of the frames from first to stop, the latter excluded."""

    first_frame: int
    stop_frame: int
    hits: list[Hit]


@dataclass
class NaiveEvent:
    """hits: by detector, in order. missing: detectors whose hits are not all there."""

    time: int
    hits: dict[str, list[Hit]] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)
    read_out: bool = True


def build_event(
    time: int,
    streams: Mapping[str, NaiveStream],
    windows_ns: Mapping[str, tuple[float, float]],
    n_frames: int,
) -> NaiveEvent:
    """Look through all hits for those of a trigger; only frames of the spill can be missing."""
    event = NaiveEvent(time)
    for name in DETECTORS:
        event.hits[name] = []
        if name not in streams or name not in windows_ns:
            event.missing.add(name)
            continue
        stream = streams[name]
        begin = time + math.floor(windows_ns[name][0] / LSB_NS)
        end = time + math.ceil(windows_ns[name][1] / LSB_NS)
        event.hits[name] = [hit for hit in stream.hits if begin <= hit.time < end]
        for frame in range(begin // FRAME, (end - 1) // FRAME + 1):
            if 0 <= frame < n_frames and not stream.first_frame <= frame < stream.stop_frame:
                event.missing.add(name)
    return event


@dataclass
class Near:
    """Hits of an event about its trigger time, with the settings."""

    hits: Sequence[Hit]
    time: int
    settings: L1Settings
    detector: str

    def in_time(self, time: float) -> bool:
        return abs(time - self.time) < self.settings.window_ns(self.detector) / LSB_NS

    @property
    def leading(self) -> list[Hit]:
        """Leading edges in the window."""
        return [hit for hit in self.hits if hit.id < TRAILING and self.in_time(hit.time)]


def together(a: Hit, b: Hit, apart_ns: float) -> bool:
    return abs(a.time - b.time) < apart_ns / LSB_NS


def ktag(near: Near) -> bool:
    sectors = {hit.id // 48 for hit in near.leading}
    return len(sectors & set(range(8))) >= near.settings.thresholds.ktag_sectors


def chod(near: Near) -> bool:
    slabs = [hit for hit in near.leading if hit.id < 128]
    return 1 <= len(slabs) <= near.settings.thresholds.chod_hits


def newchod(near: Near) -> bool:
    """A quadrant has 100 IDs: 50 tiles, and the same tiles' second photomultipliers."""
    thresholds, pairs = near.settings.thresholds, 0
    for a in near.leading:
        for b in near.leading:
            if a.id % 100 < 50 and b.id == a.id + 50 and together(a, b, thresholds.newchod_pair_ns):
                pairs += 1
    return 1 <= pairs <= thresholds.newchod_pairs


def low_hits(near: Near, channels: Collection[int]) -> int:
    """Count the trailing edges of these channels that have an earlier leading edge in the window."""
    n = 0
    for k, hit in enumerate(near.hits):
        if hit.id - TRAILING in channels:
            earlier = [other for other in near.hits[:k] if other.id == hit.id - TRAILING]
            n += any(near.in_time(other.time) for other in earlier)
    return n


def lav(near: Near) -> bool:
    """Stations 1 to 12 have 512 channels each, those with low thresholds even; the first and last do not count."""
    return low_hits(near, range(512, 11 * 512, 2)) >= near.settings.thresholds.lav_hits


def ircsac(near: Near) -> bool:
    return low_hits(near, range(0, 128, 2)) >= near.settings.thresholds.ircsac_hits


def tight(near: Near) -> bool:
    for a in near.hits:
        for b in near.hits:
            pair = a.id < 152 and b.id == a.id + 200
            apart_ns = near.settings.thresholds.muv3_tight_ns
            if pair and together(a, b, apart_ns) and near.in_time((a.time + b.time) / 2):
                return True
    return False


def outer(near: Near) -> list[tuple[int, Hit]]:
    """Return (tile, hit) of the outer tiles, of both photomultipliers."""
    tiles = [(hit.id if hit.id < 152 else hit.id - 200, hit) for hit in near.leading]
    return [(tile, hit) for tile, hit in tiles if 0 <= tile < 144]


def opposite(near: Near) -> bool:
    apart_ns = near.settings.thresholds.muv3_opposite_ns
    left = [hit for tile, hit in outer(near) if tile % 12 <= 5]
    right = [hit for tile, hit in outer(near) if tile % 12 >= 6]
    return any(together(a, b, apart_ns) for a in left for b in right)


def multiplicity(near: Near) -> bool:
    tiles = sorted({tile for tile, _ in outer(near)})
    if len(tiles) != 2:
        return len(tiles) > 2
    a, b = tiles
    return not (b - a == 12 or (b - a == 1 and a // 12 == b // 12))


def straw(near: Near) -> int:
    """Tracks are not its business: it knows events with too many edges for a search and with too few for a track."""
    return ALL_STRAW_BITS if len(near.hits) >= MANY_EDGES else 0


ALGORITHMS: dict[str, Callable[[Near], int]] = {
    "KTAG": ktag,
    "CHOD": chod,
    "NewCHOD": newchod,
    "LAV": lav,
    "IRCSAC": ircsac,
    "MUV3(tight)": tight,
    "MUV3(opposite)": opposite,
    "MUV3(multiplicity)": multiplicity,
    "STRAW": straw,
}
"""What is computed at most once an event."""


class Asked(NamedTuple):
    """A step in pieces. bits: of STRAW that must all be there."""

    algorithm: str
    bits: int
    veto: bool
    flag: bool
    downscaling: int


def read(step: Step) -> Asked:
    text = step.run.replace(" ", "")
    flag, veto = text.startswith("?"), "!" in text
    text = text.lstrip("?!")
    bits = 0
    if text.startswith("STRAW"):
        bits = sum(STRAW_BITS[word] for word in text.removesuffix(")").split("(")[1].split("+"))
        text = "STRAW"
    return Asked(text, bits, veto, flag, step.downscaling)


def chance(time: int) -> float:
    """Return the number in [0, 1) of a trigger time: SplitMix64."""
    full = 2**64
    z = time * 0x9E3779B97F4A7C15 % full
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % full
    z = (z ^ z >> 27) * 0x94D049BB133111EB % full
    z ^= z >> 31
    return (z >> 11) / 2**53


class Judged(NamedTuple):
    """word: of L1, 0 unless the event is kept. says: of each algorithm that was computed."""

    word: int
    passed: frozenset[int]
    fate: str
    says: dict[str, int]


class NaiveL1:
    """L1 for one spill: `judge` its events in order; then look at its counts."""

    def __init__(self, menu: Menu) -> None:
        self.settings = menu.l1 or L1Settings()
        self.chains = [[read(step) for step in line.l1] for line in menu.line] + [[]] * (16 - len(menu.line))
        self.reductions = [line.l1_reduction for line in menu.line] + [1] * (16 - len(menu.line))
        self.n_events = self.n_accepted = 0
        self.reduction_counters = [0] * 16
        self.step_counters: Counter[tuple[int, int]] = Counter()
        self.fates: Counter[str] = Counter()
        self.lines: list[Counter[str]] = [Counter() for _ in range(16)]
        self.failed: Counter[tuple[int, int]] = Counter()
        self.notes: Counter[str] = Counter()

    def judge(self, event: NaiveEvent, flags: int, l0_word: int) -> Judged:
        self.n_events += 1
        asked = [mask for mask in range(16) if flags >> mask & 1]
        says: dict[str, int] = {}
        passed: set[int] = set()
        autopass = self.settings.autopass
        word = 0x80 if self.settings.flag_mode or (autopass and self.n_events % autopass == 0) else 0
        reduced = l0_word not in SPECIAL and self.n_events % self.settings.reduction != 0
        if reduced:
            word = 0
            self.count(asked, "input", "reduced")
        elif self.unseen(event, l0_word):
            word |= 0x20
            self.count(asked, "input", "bypassed")
        else:
            word |= 0x20 if l0_word & PERIODIC or l0_word & CONTROL else 0
            for mask in asked:
                bits = self.mask(mask, event, says)
                passed |= {mask} if bits & 1 else set()
                word |= bits
        fate = "reduced" if reduced else self.fate(event, word)
        self.fates[fate] += 1
        self.count(passed, "kept" if fate == "accepted" else "downscaled")
        self.note(event, word, says)
        return Judged(word if fate == "accepted" else 0, frozenset(passed), fate, says)

    def unseen(self, event: NaiveEvent, l0_word: int) -> bool:
        """Whether an event is accepted without a look at it."""
        return (
            l0_word in SPECIAL or l0_word == PULSER or chance(event.time) < self.settings.bypass_probability
        )

    def count(self, masks: Collection[int], *names: str) -> None:
        for mask in masks:
            self.lines[mask].update(names)

    def note(self, event: NaiveEvent, word: int, says: Mapping[str, int]) -> None:
        straw_edges = len(event.hits.get("STRAW", ()))
        self.notes["bypassed"] += bool(word & 0x20)
        self.notes["autopassed"] += bool(word & 0x80)
        overflow = "STRAW" in says and "STRAW" not in event.missing and straw_edges >= MANY_EDGES
        self.notes["overflow"] += overflow
        self.notes["incomplete"] += event.read_out and bool(event.missing)

    def mask(self, mask: int, event: NaiveEvent, says: dict[str, int]) -> int:
        """Look at an event for a mask; return its bits of the L1 word, bit 0 if it passed."""
        line, chain = self.lines[mask], self.chains[mask]
        line["input"] += 1
        self.reduction_counters[mask] += 1
        if self.reduction_counters[mask] % self.reductions[mask] != 0:
            line["reduced"] += 1
            return 0
        if not chain:
            line["passed"] += 1
            return 0x11
        if not event.read_out:
            line["not_read_out"] += 1
            return 0
        met = self.run(chain, event, says)
        return self.conclude(mask, met)

    def run(self, chain: Sequence[Asked], event: NaiveEvent, says: dict[str, int]) -> list[bool]:
        """Return which conditions are met, up to the first that is not and is no mere flag."""
        met = []
        for step in chain:
            if step.algorithm not in says:
                says[step.algorithm] = self.compute(step.algorithm, event)
            answer = says[step.algorithm]
            true = answer & step.bits == step.bits if step.bits else bool(answer)
            met.append(true != step.veto)
            if not met[-1] and not step.flag:
                break
        return met

    def compute(self, algorithm: str, event: NaiveEvent) -> int:
        detector = algorithm.partition("(")[0]
        if detector in event.missing:
            return 0
        near = Near(event.hits.get(detector, []), event.time, self.settings, detector)
        return int(ALGORITHMS[algorithm](near))

    def conclude(self, mask: int, met: Sequence[bool]) -> int:
        line, bits = self.lines[mask], 0
        flag_missed = flag_taken = False
        for i, (step, true) in enumerate(zip(self.chains[mask], met, strict=False)):
            if not true and not step.flag:
                self.failed[mask, i] += 1
                return 0
            due = self.due(mask, i, step.downscaling) if true else False
            if not due and not step.flag:
                line["step_downscaled"] += 1
                return 0
            if step.flag:
                bits |= 0x40
                flag_missed |= not true
                flag_taken |= true and not due
        if flag_missed or flag_taken:
            line["step_downscaled" if flag_taken else "flagged"] += 1
            return bits
        line["passed"] += 1
        return bits | 1

    def due(self, mask: int, i: int, downscaling: int) -> bool:
        """Count an event that meets a condition; say whether it is one in so many."""
        self.step_counters[mask, i] += 1
        return self.step_counters[mask, i] % downscaling == 0

    def fate(self, event: NaiveEvent, word: int) -> str:
        if word == 0:
            return "rejected" if event.read_out else "not_read_out"
        self.n_accepted += 1
        return "downscaled" if self.n_accepted % self.settings.downscaling else "accepted"
