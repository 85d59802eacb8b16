"""The benchmark of L1: events built and judged from the hits of a spill in memory, on one core."""

from __future__ import annotations

import os
import tempfile
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streams.bench.errors import BenchError
from streams.bench.timing import Timing, time_in_turn
from streams.catalogue import load_menu
from streams.simulate.readout import load_readout
from streams.simulate.settings import SimulationSettings
from streams.simulate.write import write_spill
from streams.spill.optional import OptionalParts
from streams.spill.reader import SpillReader
from trigger.clock import FRAME_BITS, FRAME_S
from trigger.frames import BLOCK_FRAMES, FrameStream
from trigger.l0.processor import L0Processor
from trigger.l0.registers import compile_registers
from trigger.l0.triggers import Triggers, join_triggers
from trigger.l1.algorithms import ALGORITHMS, CALLS, MUV3, MUV3_KINDS
from trigger.l1.decision import Answers
from trigger.l1.events import DETECTORS, Events, Windows, build_events, lsb_of
from trigger.l1.fates import FATES
from trigger.l1.processor import L1Processor
from trigger.menu import Menu

SEED: Final = 1
DURATION_S: Final = 0.02
"""Length of the spill that is simulated if none is given."""

US: Final = 1e6


def _call_names() -> dict[int, str]:
    names = {CALLS[number]: name for name, number in ALGORITHMS.items() if number != MUV3}
    names |= {CALLS[MUV3] + variant: f"MUV3({kind})" for kind, variant in MUV3_KINDS.items()}
    return dict(sorted(names.items()))


CALL_NAMES: Final = _call_names()
"""What is computed once an event, by the number of its bit in `Answers.done`."""


@dataclass(frozen=True)
class Piece:
    """A block of triggers that were read out (arrays[n], in order of time), and the hits around them."""

    times_lsb: NDArray[np.int64]
    flags: NDArray[np.uint16]
    words: NDArray[np.uint8]
    streams: Mapping[str, FrameStream]


@dataclass(frozen=True)
class Task:
    """What is timed: pieces of a spill, their windows, the frames of the spill and those that the pieces cover."""

    menu: Menu
    pieces: list[Piece]
    windows: Windows
    n_frames: int
    used_frames: int

    @property
    def seconds(self) -> float:
        """Length of what is used of the spill."""
        return self.used_frames * FRAME_S

    @property
    def events(self) -> int:
        """Number of events."""
        return sum(len(piece.times_lsb) for piece in self.pieces)

    @property
    def hits(self) -> int:
        """Number of hits, those of frames between two pieces twice."""
        return sum(len(stream.words) for piece in self.pieces for stream in piece.streams.values())

    def build(self) -> list[Events]:
        """Build the events."""
        return [build_events(p.times_lsb, p.streams, self.windows, self.n_frames) for p in self.pieces]

    def build_numpy(self) -> list[list[NDArray[np.int64]]]:
        """Find the same hits with numpy: for each piece the begins and ends of each detector in turn."""
        return [self._cut(piece) for piece in self.pieces]

    def _cut(self, piece: Piece) -> list[NDArray[np.int64]]:
        places = []
        for name in DETECTORS:
            times = piece.streams[name].times_lsb()
            places += [np.searchsorted(times, piece.times_lsb + edge) for edge in lsb_of(self.windows[name])]
        return places

    def judge(self, processor: L1Processor, events: list[Events]) -> Iterator[Answers]:
        """Run L1 on events; yield the answers of each piece, which last until the next."""
        for piece, block in zip(self.pieces, events, strict=True):
            yield processor.process(block, piece.flags, piece.words)[1]


def make_task(path: str | Path, menu_name: str, blocks: int) -> Task:
    """Load triggers and hits of `blocks` blocks from the middle of a spill.

    Raises KtrigError if the file has no hits or no triggers.
    """
    menu, experiment = load_menu(menu_name)
    with SpillReader(path) as reader:
        readout = reader.optional.readout
        if readout is None:
            raise BenchError(f"{path}: has no hits; simulate a spill without --no-hits")
        n_frames = reader.header.n_frames
        used = min(blocks * BLOCK_FRAMES, n_frames)
        begin = (n_frames - used) // 2 // BLOCK_FRAMES * BLOCK_FRAMES
        bounds = [*range(begin, begin + used, BLOCK_FRAMES), begin + used]
        processor = L0Processor(compile_registers(menu, experiment, reader.detectors), experiment.inputs)
        # From the beginning of the spill, so that the downscaling takes the triggers that the hits are for.
        frames = pairwise([*range(0, begin, BLOCK_FRAMES), *bounds])
        found = [processor.process(reader.read_block(first, stop - first)) for first, stop in frames]
        triggers = join_triggers([*found, processor.finish()])
        pieces = [_piece(reader.optional, triggers, i, j, n_frames) for i, j in pairwise(bounds)]
    for name in DETECTORS:
        if name not in readout.windows:
            raise BenchError(f"{path}: readout has no window of {name}; simulate the spill anew")
    task = Task(menu, [p for p in pieces if len(p.times_lsb)], readout.windows, n_frames, used)
    if task.events == 0:
        raise BenchError(
            f"{path}: has hits for none of the {len(triggers)} triggers of menu {menu_name} in frames {begin} to "
            f"{begin + used - 1}; simulate with --hit-menu {menu_name}, or a longer spill"
        )
    return task


def _piece(parts: OptionalParts, triggers: Triggers, first: int, stop: int, n_frames: int) -> Piece:
    """Return the triggers of some frames that were read out, and the hits of these frames and one on either side."""
    i, j = np.searchsorted(triggers.time_lsb, (first << FRAME_BITS, stop << FRAME_BITS))
    low, high = max(first - 1, 0), min(stop + 1, n_frames)
    streams = {name: parts.read_hits(name, low, high - low) for name in DETECTORS}
    records = parts.read_records("readout", first, stop - first)
    kept = i + np.flatnonzero(np.isin(triggers.time_lsb[i:j], records.times_lsb()))
    return Piece(triggers.time_lsb[kept], triggers.flags[kept], triggers.word[kept], streams)


def check_built(task: Task, found: list[Events], expected: list[list[NDArray[np.int64]]]) -> None:
    """Raise BenchError unless the events have the hits that numpy finds for them."""
    for block, places in zip(found, expected, strict=True):
        ours = [array for hits in block.hits for array in (hits.begin, hits.end)]
        for k, (mine, its) in enumerate(zip(ours, places, strict=True)):
            if not np.array_equal(mine, its):
                raise BenchError(
                    f"the event builder and numpy differ in the hits of {DETECTORS[k // 2]}; report this as a fault "
                    "of ktrig"
                )
        if any(block.missing.values()):
            raise BenchError(
                f"the windows {dict(task.windows)} ns reach beyond the frame next to a trigger's; use shorter ones"
            )


def check_judged(task: Task, events: list[Events]) -> tuple[dict[str, float], dict[str, float]]:
    """Run L1 once; return on which fraction of the events each call ran, and the fractions of each fate.

    Raises BenchError unless each event has one fate.
    """
    processor = L1Processor(task.menu)
    ran = dict.fromkeys(CALL_NAMES.values(), 0)
    for answers in task.judge(processor, events):
        for call, name in CALL_NAMES.items():
            ran[name] += int(np.count_nonzero(answers.done & np.uint16(1 << call)))
    fates = processor.tally.fates.tolist()
    if sum(fates) != task.events:
        raise BenchError(
            f"L1 concluded {sum(fates)} of {task.events} events; report this as a fault of ktrig"
        )
    fractions = {name: n / task.events for name, n in ran.items()}
    return fractions, {name: n / task.events for name, n in zip(FATES, fates, strict=True)}


def bench_l1(
    spill: str | Path | None,
    menu_name: str,
    blocks: int,
    repetitions: int,
    seed: int = SEED,
) -> dict[str, Any]:
    """Time L1 on the hits of a spill, or of one that is simulated for it at the nominal intensity.

    Times are medians; the hits are in memory before. Raises BenchError if numpy finds other hits for an event.
    """
    if spill is not None:
        return _bench(make_task(spill, menu_name, blocks), repetitions) | {"spill": str(spill)}
    with tempfile.TemporaryDirectory(prefix="ktrig-") as folder:
        task = make_task(simulate_spill(Path(folder) / "spill.h5", menu_name, seed), menu_name, blocks)
    return _bench(task, repetitions) | {"spill": None, "seed": seed}


def simulate_spill(path: Path, menu_name: str, seed: int) -> Path:
    """Simulate a spill of DURATION_S at the experiment's nominal intensity, with hits."""
    _, experiment = load_menu(menu_name)
    settings = SimulationSettings(experiment.beam.nominal_intensity_mhz, DURATION_S, seed)
    write_spill(path, settings, experiment, load_readout(experiment, menu_name), workers=os.cpu_count() or 1)
    return path


def _bench(task: Task, repetitions: int) -> dict[str, Any]:
    events = task.build()
    check_built(task, events, task.build_numpy())
    builder, baseline = time_in_turn([task.build, task.build_numpy], repetitions)
    calls, fates = check_judged(task, events)
    processor = L1Processor(task.menu)
    (l1,) = time_in_turn([lambda: deque(task.judge(processor, events), 0)], repetitions)
    return _figures(task, builder, l1) | {
        "repetitions": repetitions,
        "builder_numpy_ratio": baseline.median / builder.median,
        "calls": calls,
        "fates": fates,
    }


def _figures(task: Task, builder: Timing, l1: Timing) -> dict[str, Any]:
    n = task.events
    return {
        "benchmark": "l1",
        "menu": task.menu.name,
        "straw": task.menu.l1.straw if task.menu.l1 else None,
        "duration_s": task.seconds,
        "events": n,
        "hits": task.hits,
        "builder_seconds": builder.median,
        "builder_events_per_s": n / builder.median,
        "builder_cores_at_real_time": builder.median / task.seconds,
        "l1_seconds": l1.median,
        "l1_seconds_min": l1.least,
        "l1_seconds_max": l1.most,
        "l1_us_per_event": US * l1.median / n,
        "l1_events_per_s": n / l1.median,
        "l1_cores_at_real_time": l1.median / task.seconds,
    }
