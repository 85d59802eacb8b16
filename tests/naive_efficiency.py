"""Trigger efficiencies of a spill in the slow and obvious way: one decay after the other, the whole spill at once."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from streams.catalogue import load_menu
from streams.spill.reader import SpillReader
from trigger.l0.entries import Entries, join_entries
from trigger.l0.processor import L0Processor
from trigger.l0.registers import compile_registers
from trigger.l1.events import DETECTORS, build_events
from trigger.l1.processor import L1Processor
from trigger.l1.straw.points import views_covering

WINDOW_LSB = 128
CHAMBERS_MM = (183508.0, 194066.0, 204459.0, 218885.0)
MAGNET_MM = 197645.0

Tally = dict[tuple[str, str], tuple[int, int, int, int]]
"""(mode, line) -> decays, those that fire the line, those that L1 sees, those that it accepts."""


def naive_match(decays: list[int], entries: list[int], window: int) -> list[int]:
    """The entry of each decay: nearest to each other, the earlier in the list of two, within the window; else -1."""

    def nearest(time: int, others: list[int]) -> int:
        return min(range(len(others)), key=lambda i: (abs(others[i] - time), others[i], i))

    own = []
    for number, time in enumerate(decays):
        entry = nearest(time, entries) if entries else -1
        theirs = entry >= 0 and nearest(entries[entry], decays) == number
        own.append(entry if theirs and abs(entries[entry] - time) <= window else -1)
    return own


def naive_counts(path: Path, menu_name: str, narrow: set[str]) -> Tally:
    """Count a spill; narrow: modes of which the acceptance of pi nu nu is asked."""
    menu, experiment = load_menu(menu_name)
    with SpillReader(path) as reader:
        processor = L0Processor(
            compile_registers(menu, experiment, reader.detectors), experiment.inputs, keep_entries=True
        )
        parts = []
        for block in reader.blocks():
            processor.process(block)
            parts.append(processor.entries)
        processor.finish()
        entries = join_entries([*parts, processor.entries])
        n_frames = reader.header.n_frames
        stream = reader.optional.read_records("truth/decays", 0, n_frames)
        particles = reader.optional.read_records("truth/particles", 0, n_frames).records
        truth = reader.optional.truth
        assert truth is not None
        names = [str(mode["name"]) for mode in truth.modes]
        passed, read_out = _l1(reader, entries, menu_name)
    decays, times = stream.records, [int(t) for t in stream.times_lsb()]
    inputs = experiment.inputs
    owners = {
        "reference": _owners(entries, 1, decays, times, inputs.index("RICH")),
        "control": _owners(entries, 2, decays, times, inputs.index("CHOD")),
    }
    totals: Counter[str] = Counter()
    sums: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    for i, decay in enumerate(decays):
        mode = names[decay["mode"]]
        if not 105e3 <= decay["vertex_mm"][2] < 180e3:
            continue
        if mode in narrow and not in_acceptance(decay, particles):
            continue
        totals[mode] += 1
        for row, line in menu.rows:
            e = owners["control" if row == 16 else "reference"].get(i)
            # Fates 7 and 8: the firings that the downscaling counts.
            if e is None or entries.fate[e] not in (7, 8) or not entries.fired[e] >> row & 1:
                continue
            kept = bool(entries.kept[e] >> row & 1) and e in read_out
            judged = row < 16 and bool(menu.line[row].l1) and kept
            cell = sums[mode, line.name]
            cell[0] += 1
            cell[1] += judged
            cell[2] += judged and bool(passed[e] >> row & 1)
    lines = [line.name for _, line in menu.rows]
    return {(m, line): (totals[m], *sums[m, line]) for m in names for line in lines}  # type: ignore[misc]


def _owners(entries: Entries, tag: int, decays: Any, times: list[int], detector: int) -> dict[int, int]:
    """Decay -> entry, of the entries with a tag and the decays with hits in a detector."""
    chosen = [i for i, decay in enumerate(decays) if decay["fired"] >> detector & 1]
    tagged = [e for e in range(len(entries)) if entries.tags[e] & tag]
    found = {}
    by_frame: dict[int, list[int]] = defaultdict(list)
    others: dict[int, list[int]] = defaultdict(list)
    for e in tagged:
        by_frame[int(entries.time_lsb[e]) >> 16].append(e)
    for i in chosen:
        others[times[i] >> 16].append(i)
    for frame in sorted(others):
        # What is nearest within the window is in this frame or in one beside it.
        near_entries = [e for f in (frame - 1, frame, frame + 1) for e in by_frame[f]]
        near_decays = [i for f in (frame - 1, frame, frame + 1) for i in others[f]]
        own = naive_match(
            [times[i] for i in near_decays], [int(entries.time_lsb[e]) for e in near_entries], WINDOW_LSB
        )
        for i, e in zip(near_decays, own, strict=True):
            if e >= 0 and times[i] >> 16 == frame:
                found[i] = near_entries[e]
    return found


def _l1(reader: SpillReader, entries: Entries, menu_name: str) -> tuple[list[int], set[int]]:
    """What L1 passes of each entry, and which of them were read out."""
    menu, _ = load_menu(menu_name)
    n_frames, readout = reader.header.n_frames, reader.optional.readout
    assert readout is not None
    recorded = {int(t) for t in reader.optional.read_records("readout", 0, n_frames).times_lsb()}
    triggers = [e for e in range(len(entries)) if entries.kept[e] and int(entries.time_lsb[e]) in recorded]
    hits = {name: reader.optional.read_hits(name, 0, n_frames) for name in DETECTORS}
    events = build_events(entries.time_lsb[triggers], hits, readout.windows, n_frames)
    flags = (entries.kept[triggers] & 0xFFFF).astype(np.uint16)
    conclusions, _ = L1Processor(menu).process(events, flags, np.ones(len(triggers), np.uint8))
    passed = [0] * len(entries)
    for e, bits in zip(triggers, conclusions.passed, strict=True):
        passed[e] = int(bits)
    return passed, set(triggers)


def in_acceptance(decay: Any, particles: Any) -> bool:
    """Whether a decay has one charged product, a pi+ of 15 to 45 GeV/c that crosses all chambers before it decays."""
    products = particles[decay["first_particle"] : decay["first_particle"] + decay["n_particles"]]
    charged = [
        k
        for k, p in enumerate(products)
        if p["mother"] == -1 and abs(int(p["pdg"])) in (11, 13, 211, 321, 2212)
    ]
    if len(charged) != 1 or products[charged[0]]["pdg"] != 211:
        return False
    pion = products[charged[0]]
    px, py, pz = (float(c) for c in pion["p_gev"])
    if not 15 <= math.sqrt(px * px + py * py + pz * pz) < 45:
        return False
    end = min((float(p["vertex_mm"][2]) for p in products if p["mother"] == charged[0]), default=math.inf)
    return end > CHAMBERS_MM[-1] and crosses((px, py, pz), tuple(float(c) for c in pion["vertex_mm"]))


def crosses(p: tuple[float, ...], start: tuple[float, ...]) -> bool:
    """Whether a positive particle crosses straws of two views or more in each chamber."""
    px, py, pz = p
    after_px = px - 0.270
    after_pz = math.sqrt(pz * pz + px * px - after_px * after_px)
    x_magnet = start[0] + px / pz * (MAGNET_MM - start[2])
    for chamber, z in enumerate(CHAMBERS_MM):
        slope = px / pz if z < MAGNET_MM else after_px / after_pz
        x, y = x_magnet + slope * (z - MAGNET_MM), start[1] + py / pz * (z - start[2])
        if start[2] >= z or views_covering(chamber, x, y) < 2:
            return False
    return True
