"""A simulated spill into a spill file."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streams.simulate.blocks import make_pieces
from streams.simulate.intensity import CELL_FRAMES
from streams.simulate.readout import Readout
from streams.simulate.settings import SimulationSettings
from streams.simulate.simulation import Piece, SpillSimulation
from streams.spill.layout import HIT_DETECTORS
from streams.spill.writer import SpillWriter
from trigger.clock import FRAME_S
from trigger.experiment import Experiment
from trigger.frames import BLOCK_FRAMES
from trigger.records import KINDS

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
        hits=HIT_DETECTORS if readout else (),
        records=tuple(KINDS) if readout else (),
        block_frames=BLOCK_FRAMES,
    )
    with writer, closing(make_pieces(simulation, readout, workers)) as pieces:
        for piece in pieces:
            if piece.extras:
                # Counted on from block to block: a block does not know how many were before it.
                decays = piece.extras.records["truth/decays"].records
                decays["first_particle"] += summary.records.get("truth/particles", 0)
            writer.write(piece.block, piece.extras)
            _count(summary, piece)
            made += piece.made
            progress(piece.block.stop_frame / simulation.n_frames)
        if readout:
            _describe(writer, simulation, readout, made)
    for mode, numbers in zip(simulation.catalogue.modes, made, strict=True):
        summary.decays[mode.name] = summary.decays.get(mode.name, 0) + int(numbers[0])
    return summary


def _count(summary: SpillSummary, piece: Piece) -> None:
    summary.clipped += piece.clipped
    for name, stream in piece.block.streams.items():
        summary.primitives[name] += len(stream.words)
    if piece.extras:
        for name, hits in piece.extras.hits.items():
            summary.hits[name] = summary.hits.get(name, 0) + len(hits.words)
        for kind, records in piece.extras.records.items():
            summary.records[kind] = summary.records.get(kind, 0) + len(records.records)


def _describe(
    writer: SpillWriter, simulation: SpillSimulation, readout: Readout, made: NDArray[np.int64]
) -> None:
    """Say in the file what was read out and what was simulated."""
    writer.describe(
        "readout",
        menu=readout.menu.name,
        menu_hash=readout.menu.hash,
        windows=json.dumps({name: list(window) for name, window in readout.windows.items()}),
    )
    modes = [
        {**mode.described(), "generated": int(numbers[0]), "generated_fiducial": int(numbers[1])}
        for mode, numbers in zip(simulation.catalogue.modes, made, strict=True)
    ]
    writer.describe("truth", kept=simulation.settings.truth, modes=json.dumps(modes))
    writer.add_intensity(simulation.profile.cells_mhz, CELL_FRAMES)
