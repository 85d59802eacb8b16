"""A measured beam: intensity against time from a text file, or from the primitives of a recorded spill."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import h5py
import numpy as np

from streams.simulate.intensity import CELL_FRAMES, CELL_S, DUTY_BIN_S, Floats, IntensityProfile
from streams.simulate.settings import SimulationError
from streams.spill.reader import SpillReader
from trigger.clock import FRAME_S
from trigger.experiment import Experiment

MAX_BYTES: Final = 64 << 20
FORM: Final = "give two numbers a line, time in s since SOB and intensity in any unit, # before a comment"


def measured_profile(
    path: str | Path, experiment: Experiment, mean_mhz: float, n_frames: int
) -> IntensityProfile:
    """Return the beam of `path`, scaled to the mean intensity `mean_mhz` over `n_frames` frames.

    A spill file gives the rate of the experiment's intensity detector (of all its detectors, if it has not that one)
    in bins of 5 ms; a text file its points, joined by straight lines. There is no beam outside of what was measured.
    Raises SimulationError that names the file and the line.
    """
    path = Path(path)
    times, values = _of_spill(path, experiment) if _is_hdf5(path) else _of_text(path)
    n_cells = -(-n_frames // CELL_FRAMES)
    middles = (np.arange(n_cells) + 0.5) * CELL_S
    cells = np.interp(middles, times, values, left=0.0, right=0.0)
    profile = IntensityProfile(n_frames, cells, 0.0, 0.0)
    mean = profile.mean_mhz()
    if mean <= 0:
        span = f"{times[0]:g} to {times[-1]:g} s"
        raise SimulationError(
            f"{path}: no beam in the {n_frames * FRAME_S:g} s asked for, measured is {span}; give a longer --duration"
        )
    return IntensityProfile(n_frames, cells * (mean_mhz / mean), 0.0, 0.0)


def _is_hdf5(path: Path) -> bool:
    try:
        with path.open("rb"):
            return bool(h5py.is_hdf5(path))
    except OSError as wrong:
        raise SimulationError(f"{path}: {wrong.strerror}; give a measured profile that can be read") from None


def _of_spill(path: Path, experiment: Experiment) -> tuple[Floats, Floats]:
    with SpillReader(path) as reader:
        wanted = experiment.beam.intensity_detector
        names = [wanted] if wanted in reader.detectors else reader.detectors
        per_bin = round(DUTY_BIN_S / FRAME_S)
        counts = np.zeros(-(-reader.header.n_frames // per_bin))
        for block in reader.blocks():
            frames = np.arange(block.first_frame, block.stop_frame) // per_bin
            for name in names:
                np.add.at(counts, frames, np.diff(block.streams[name].offsets))
    if not counts.any():
        raise SimulationError(f"{path}: has no primitives of {' or '.join(names)}; give a spill with beam")
    return np.asarray((np.arange(len(counts)) + 0.5) * per_bin * FRAME_S, np.float64), counts


def _of_text(path: Path) -> tuple[Floats, Floats]:
    if path.stat().st_size > MAX_BYTES:
        raise SimulationError(f"{path}: is larger than {MAX_BYTES >> 20} MiB; {FORM}")
    rows: list[tuple[float, float]] = []
    for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1):
        words = line.partition("#")[0].replace(",", " ").split()
        if words:
            rows.append(_row(words, rows[-1][0] if rows else -np.inf, f"{path}:{number}"))
    if len(rows) < 2:
        raise SimulationError(f"{path}: has {len(rows)} points, but a profile needs two; {FORM}")
    times, values = np.array(rows).T
    return times, values


def _row(words: list[str], before_s: float, place: str) -> tuple[float, float]:
    shown = " ".join(words)[:40]
    try:
        time_s, value = map(float, words)
    except ValueError:
        raise SimulationError(f"{place}: {shown!r} is no point; {FORM}") from None
    if not (np.isfinite(time_s) and time_s > before_s):
        raise SimulationError(
            f"{place}: time {words[0]} does not follow {before_s:g}; sort the points by time"
        )
    if not (np.isfinite(value) and value >= 0):
        raise SimulationError(f"{place}: intensity {words[1]} must be a number, 0 or more; mend this point")
    return time_s, value
