"""The benchmark of the L0 processor: a simulated spill of nominal intensity on one core, and numpy beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from streams.bench.errors import BenchError
from streams.bench.l0_numpy import L0Numpy
from streams.bench.timing import Timing, time_in_turn
from streams.catalogue import load_menu
from streams.simulate.blocks import simulate_blocks
from streams.simulate.settings import SimulationSettings
from trigger.clock import FRAME_S
from trigger.frames import Block
from trigger.l0.processor import L0Processor
from trigger.l0.registers import L0Registers, compile_registers
from trigger.l0.triggers import Triggers, join_triggers

MENU: Final = "na62-2018"
SEED: Final = 1
DURATION_S: Final = 0.2
REPETITIONS: Final = 7
"""The least whose median is to be trusted."""

NUMPY_BLOCKS: Final = 8
"""Blocks of the spill that numpy computes: 52 ms, enough to time it."""

NUMPY_REPETITIONS: Final = REPETITIONS
NS: Final = 1e9
MHZ: Final = 1e6


@dataclass(frozen=True)
class Task:
    """What is timed: blocks of a spill, and the processor's settings."""

    blocks: Sequence[Block]
    registers: L0Registers
    detectors: Sequence[str]
    reference: str

    @property
    def seconds(self) -> float:
        """Length of the spill."""
        return sum(b.n_frames for b in self.blocks) * FRAME_S

    @property
    def primitives(self) -> int:
        """Number of primitives of all detectors."""
        return sum(len(s.words) for b in self.blocks for s in b.streams.values())

    @property
    def references(self) -> int:
        """Number of primitives of the reference detector."""
        return sum(len(b.streams[self.reference].words) for b in self.blocks)

    def head(self, n_blocks: int) -> Task:
        """Return the task of the first `n_blocks` only."""
        return Task(self.blocks[:n_blocks], self.registers, self.detectors, self.reference)

    def run(self) -> Triggers:
        """Run the L0 processor."""
        processor = L0Processor(self.registers, self.detectors)
        return join_triggers([*map(processor.process, self.blocks), processor.finish()])

    def run_numpy(self) -> Triggers:
        """Run the numpy baseline."""
        return L0Numpy(self.registers, self.detectors).run(self.blocks)


def make_task(duration_s: float = DURATION_S, seed: int = SEED) -> Task:
    """Simulate a spill at the experiment's nominal intensity for the menu; raises KtrigError."""
    menu, experiment = load_menu(MENU)
    settings = SimulationSettings(experiment.beam.nominal_intensity_mhz, duration_s, seed)
    return Task(
        list(simulate_blocks(settings, experiment)),
        compile_registers(menu, experiment),
        experiment.inputs,
        menu.l0.reference,
    )


def check_same(found: Triggers, expected: Triggers) -> None:
    """Raise BenchError unless both have the same triggers, slots apart."""
    for name in ("time_lsb", "flags", "word"):
        if not np.array_equal(getattr(found, name), getattr(expected, name)):
            raise BenchError(
                f"numpy's triggers differ from the processor's in {name} "
                f"({len(found)} and {len(expected)} triggers); report this as a fault of ktrig"
            )


def bench_l0(
    duration_s: float = DURATION_S,
    repetitions: int = REPETITIONS,
    numpy_repetitions: int = NUMPY_REPETITIONS,
    seed: int = SEED,
) -> dict[str, Any]:
    """Time the L0 processor on a spill of `duration_s` and, on its first blocks, against numpy.

    Times are medians; the blocks are made before. Raises BenchError if numpy gives other triggers.
    """
    task = make_task(duration_s, seed)
    piece = task.head(NUMPY_BLOCKS)
    check_same(piece.run_numpy(), piece.run())
    (kernel,) = time_in_turn([task.run], repetitions)
    baseline, opponent = time_in_turn([piece.run_numpy, piece.run], numpy_repetitions)
    return _figures(task, kernel) | {
        "triggers": len(task.run()),
        "repetitions": repetitions,
        "seed": seed,
        "numpy_duration_s": piece.seconds,
        "numpy_repetitions": numpy_repetitions,
        "numpy_seconds": baseline.median,
        "numpy_ns_per_reference_primitive": baseline.median / piece.references * NS,
        "numpy_ratio": baseline.median / opponent.median,
    }


def _figures(task: Task, timing: Timing) -> dict[str, Any]:
    return {
        "benchmark": "l0",
        "menu": MENU,
        "duration_s": task.seconds,
        "primitives": task.primitives,
        "reference_primitives": task.references,
        "primitives_mhz": task.primitives / task.seconds / MHZ,
        "reference_mhz": task.references / task.seconds / MHZ,
        "seconds": timing.median,
        "seconds_min": timing.least,
        "seconds_max": timing.most,
        "realtime_factor": task.seconds / timing.median,
        "ns_per_reference_primitive": timing.median / task.references * NS,
    }
