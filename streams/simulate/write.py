"""A simulated spill into a spill file."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np

from streams.simulate.blocks import make_pieces
from streams.simulate.readout import Readout
from streams.simulate.settings import SimulationSettings
from streams.simulate.simulation import SpillSimulation
from streams.spill.writer import SpillWriter
from trigger.clock import FRAME_S
from trigger.experiment import Experiment
from trigger.frames import BLOCK_FRAMES

SOB_UNIX_NS: Final = 0
"""A simulated spill has no date, so that the same settings give the same file."""


@dataclass
class SpillSummary:
    """What was written: frames, words and records, hits outside the spill that were left out, decays by mode."""

    n_frames: int
    primitives: dict[str, int]
    hits: dict[str, int] = field(default_factory=dict)
    records: dict[str, int] = field(default_factory=dict)
    decays: dict[str, int] = field(default_factory=dict)
    clipped: int = 0

    @property
    def duration_s(self) -> float:
        """Length of the spill."""
        return self.n_frames * FRAME_S

    @property
    def n_primitives(self) -> int:
        """Primitives of all detectors."""
        return sum(self.primitives.values())


def provenance(settings: SimulationSettings) -> dict[str, Any]:
    """Return where the spill comes from, for the file."""
    return {"command": "simulate", "options": asdict(settings), "version": version("ktrig")}


def write_spill(
    path: str | Path,
    settings: SimulationSettings,
    experiment: Experiment,
    readout: Readout | None = None,
    *,
    run: int = 0,
    burst: int = 0,
    workers: int = 1,
    progress: Callable[[float], object] = lambda _fraction: None,
) -> SpillSummary:
    """Simulate a spill into the file `path`, with what is read out; `progress` is called with the fraction done.

    Without a readout it has primitives only. Raises SimulationError if the experiment cannot be simulated, SpillError
    if the file cannot be written.
    """
    simulation = SpillSimulation(settings, experiment)
    summary = SpillSummary(simulation.n_frames, dict.fromkeys(simulation.detectors, 0))
    made = np.zeros((len(simulation.catalogue.modes), 3), np.int64)
    writer = SpillWriter(
        path,
        experiment=experiment.name,
        run=run,
        burst=burst,
        sob_unix_ns=SOB_UNIX_NS,
        simulated=True,
        provenance=provenance(settings),
        detectors=simulation.detectors,
        block_frames=BLOCK_FRAMES,
    )
    with writer, closing(make_pieces(simulation, readout, workers)) as pieces:
        for piece in pieces:
            writer.write(piece.block, piece.extras)
            _count(summary, piece)
            made += piece.made
            progress(piece.block.stop_frame / simulation.n_frames)
    return summary
