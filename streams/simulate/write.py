"""A simulated spill into a spill file."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from streams.simulate.blocks import SpillSimulation, make_blocks
from streams.simulate.settings import SimulationSettings
from streams.spill.writer import SpillWriter
from trigger.clock import FRAME_S
from trigger.experiment import Experiment
from trigger.frames import BLOCK_FRAMES

SOB_UNIX_NS: Final = 0
"""A simulated spill has no date, so that the same settings give the same file."""


@dataclass(frozen=True)
class SpillSummary:
    """What was written: frames, words of each detector, hits outside the spill that were left out."""

    n_frames: int
    primitives: dict[str, int]
    clipped: int

    @property
    def duration_s(self) -> float:
        """Length of the spill."""
        return self.n_frames * FRAME_S

    @property
    def n_primitives(self) -> int:
        """Primitives of all detectors."""
        return sum(self.primitives.values())


def provenance(settings: SimulationSettings) -> dict[str, Any]:
    """Return where the primitives come from, for the file."""
    return {"command": "simulate", "options": asdict(settings), "version": version("ktrig")}


def write_spill(
    path: str | Path,
    settings: SimulationSettings,
    experiment: Experiment,
    *,
    run: int = 0,
    burst: int = 0,
    workers: int = 1,
    progress: Callable[[float], object] = lambda _fraction: None,
) -> SpillSummary:
    """Simulate a spill into the file `path`; `progress` is called with the fraction done.

    Raises SimulationError if the experiment cannot be simulated, SpillError if the file cannot be written.
    """
    simulation = SpillSimulation(settings, experiment)
    primitives, clipped = dict.fromkeys(simulation.outcomes.detectors, 0), 0
    writer = SpillWriter(
        path,
        experiment=experiment.name,
        run=run,
        burst=burst,
        sob_unix_ns=SOB_UNIX_NS,
        simulated=True,
        provenance=provenance(settings),
        detectors=simulation.outcomes.detectors,
        block_frames=BLOCK_FRAMES,
    )
    with writer, closing(make_blocks(simulation, workers)) as blocks:
        for made in blocks:
            writer.write(made.block)
            clipped += made.clipped
            for detector, stream in made.block.streams.items():
                primitives[detector] += len(stream.words)
            progress(made.block.stop_frame / simulation.n_frames)
    return SpillSummary(simulation.n_frames, primitives, clipped)
