"""Registers and streams for tests of the L0 processor: random ones, and ones made of a few primitives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from trigger.frames import Block, FrameStream
from trigger.l0.processor import L0Processor
from trigger.l0.registers import CONTROL, IGNORE, N_DETECTORS, N_ROWS, L0Registers
from trigger.l0.triggers import Triggers, join_triggers

DETECTORS = tuple("ABCDEFG")
FRAME = 1 << 16
TICK = 1 << 8
RAM_SLOTS = 16384
ERA_FRAMES = 8
"""Frames in 2,048 ticks."""

FIRED = 0x4000
"""An ID that says no more than that its detector fired."""

IDS = (0, FIRED, FIRED | 1, FIRED | 3, 2, 0x7FFF, 0x8000, 0x8000 | FIRED | 1)
ID_ODDS = (0.04, 0.36, 0.2, 0.15, 0.1, 0.1, 0.02, 0.03)
"""IDs of random primitives: nothing, physics bits, calibration."""

WORDS = ((IGNORE, IGNORE), (IGNORE, IGNORE & ~FIRED), (IGNORE & ~1, IGNORE & ~1), (IGNORE, IGNORE & ~3))
"""(mask, dontcare): ignore the detector, require it, veto bit 0, require bits 0 and 1."""

WORD_ODDS = (0.7, 0.15, 0.1, 0.05)
CUTS = (0, 1, 2, 16, 64, 100, 128, 300, 700, 32767)
DOWNSCALES = (0, 0, 0, 1, 2, 5, 2**32 - 1)

Hit = tuple[int, int, int]
"""A primitive as (detector, time in LSB since SOB, ID)."""


def registers(**changes: Any) -> L0Registers:
    """Slots of 6.25 ns, reference B, cuts of 64 LSB; mask 0 fires on any entry, the other rows are off."""
    words = np.full((N_ROWS, N_DETECTORS), IGNORE)
    settings: dict[str, Any] = {
        "fine_time_bits": 2,
        "reference": 1,
        "control": None,
        "mask": words,
        "dontcare": words,
        "enabled": np.arange(N_ROWS) == 0,
        "downscale": np.zeros(N_ROWS, np.int64),
        "time_cut_lsb": np.full(N_DETECTORS, 64),
    }
    return L0Registers(**(settings | changes))


def requiring(*detectors: int, row: int = 0) -> dict[str, Any]:
    """Return mask and dontcare arrays in which `row` requires bit 14 of these detectors."""
    mask = np.full((N_ROWS, N_DETECTORS), IGNORE)
    dontcare = mask.copy()
    dontcare[row, list(detectors)] &= ~FIRED
    return {"mask": mask, "dontcare": dontcare}


def random_registers(rng: np.random.Generator, bits: int, reference: int, control: int | None) -> L0Registers:
    """Return registers with all kinds of words, cuts and downscalings; about half of the rows can fire."""
    choice = rng.choice(len(WORDS), (N_ROWS, N_DETECTORS), p=WORD_ODDS)
    enabled = rng.random(N_ROWS) < 0.8
    enabled[CONTROL] &= control is not None
    return L0Registers(
        fine_time_bits=bits,
        reference=reference,
        control=control,
        mask=np.array(WORDS)[choice, 0],
        dontcare=np.array(WORDS)[choice, 1],
        enabled=enabled,
        downscale=rng.choice(DOWNSCALES, N_ROWS),
        time_cut_lsb=rng.choice(CUTS, N_DETECTORS),
    )


def block_of(hits: Iterable[Hit], first_frame: int, n_frames: int) -> Block:
    """Pack primitives into a block with a stream for each detector; equal times keep their order."""
    columns = np.array(list(hits), np.int64).reshape(-1, 3)
    streams = {}
    for d, name in enumerate(DETECTORS):
        mine = columns[columns[:, 0] == d]
        streams[name] = FrameStream.pack(mine[:, 1], mine[:, 2].astype(np.uint16), first_frame, n_frames)
    return Block(first_frame, n_frames, streams)


def random_hits(rng: np.random.Generator, first_frame: int, n_frames: int, per_frame: float) -> list[Hit]:
    """Return clusters of primitives of all detectors, one in four of them at the edge of a frame.

    About every twentieth frame is empty, and about every tenth detector.
    """
    n = rng.poisson(per_frame * n_frames / N_DETECTORS)
    frame = rng.integers(0, n_frames, n)
    frame = frame[rng.random(n_frames)[frame] < 0.95]
    centre = (frame << 16) + rng.integers(0, FRAME, len(frame))
    at_edge = rng.random(len(frame)) < 0.25
    centre[at_edge] = frame[at_edge] << 16
    spread = rng.choice([3, 40, 120, 300], len(frame))
    hits = []
    for detector in np.flatnonzero(rng.random(N_DETECTORS) < 0.9):
        count = rng.choice([0, 1, 2, 5], len(frame), p=[0.2, 0.6, 0.15, 0.05])
        times = np.repeat(centre, count) + np.rint(rng.normal(0, np.repeat(spread, count))).astype(np.int64)
        times = times[(times >= 0) & (times < n_frames << 16)]
        ids = rng.choice(IDS, len(times), p=ID_ODDS)
        hits += [
            (int(detector), (first_frame << 16) + int(t), int(i)) for t, i in zip(times, ids, strict=True)
        ]
    return hits


def cut_block(block: Block, cuts: Sequence[int]) -> Iterator[Block]:
    """Cut a block before these frames of it (any order; twice the same gives a block without frames)."""
    edges = [0, *sorted(cuts), block.n_frames]
    for low, high in pairwise(edges):
        first, stop = block.first_frame + low, block.first_frame + high
        yield block.cut(first, stop)


def run(processor: L0Processor, blocks: Iterable[Block]) -> Triggers:
    """Feed blocks to a processor and finish; return all triggers."""
    return join_triggers([*map(processor.process, blocks), processor.finish()])


def triggers_of(hits: Iterable[Hit], settings: L0Registers, first_frame: int, n_frames: int) -> Triggers:
    """Return the triggers of a few primitives."""
    return run(L0Processor(settings, DETECTORS, keep_slots=True), [block_of(hits, first_frame, n_frames)])


def same(a: Triggers, b: Triggers) -> bool:
    """Compare two lists of triggers in all that they hold."""
    pairs = ((a.time_lsb, b.time_lsb), (a.flags, b.flags), (a.word, b.word), (a.slots, b.slots))
    return all(np.array_equal(x, y) for x, y in pairs)
