"""What the picture of a spill shows, collected block by block: histograms, so that any spill fits into memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streams.spill.reader import SpillReader
from trigger.clock import FRAME_S, LSB_NS
from trigger.experiment import Experiment
from trigger.frames import BLOCK_FRAMES
from trigger.particles import KAON, M_KAON_GEV, M_PION_GEV, PION, charges
from trigger.reconstruct.kinematics import Floats, invariant_mass_gev, m2_miss_gev2, momenta
from trigger.reconstruct.resolution import measured_tracks
from trigger.records import Records

BIN_S: Final = 5e-3
"""Bins of the intensity, those in which the duty factor of a spill is quoted."""

FEW_BINS: Final = 40
"""A spill shorter than so many bins has narrower ones."""

P_GEV: Final = np.linspace(5.0, 75.0, 141)
M2_GEV2: Final = np.linspace(-0.06, 0.14, 201)
M3PI_MEV: Final = np.linspace(487.0, 500.0, 131)
VERTEX_M: Final = np.linspace(100.0, 240.0, 141)

PIECE_FRAMES: Final = 8 * BLOCK_FRAMES

IN_TIME_LSB: Final = round(1.5 / LSB_NS)
"""A beam track so near to a decay is its own."""

SEED: Final = 1
"""Of the smearing of true momenta."""

Counts = NDArray[np.int64]


@dataclass
class SpillContent:
    """Histograms of a spill. Those of the truth stay empty without one.

    intensity_s: edges of the bins in time. estimated_mhz, true_mhz: beam intensity in them, from the primitives of
    the intensity detector and as simulated. rates_mhz: of detectors. lines_khz: of the readout, after downscaling.
    m2_p: of one-track decays, [P_GEV, M2_GEV2]. m3pi: of K+ -> 3 pi. vertices: mode -> VERTEX_M. decays: in the
    truth.
    """

    intensity_s: Floats
    estimated_mhz: Floats
    true_mhz: Floats | None
    rates_mhz: dict[str, float]
    lines_khz: dict[str, float] | None = None
    m2_p: Counts = field(default_factory=lambda: np.zeros((len(P_GEV) - 1, len(M2_GEV2) - 1), np.int64))
    m3pi: Counts = field(default_factory=lambda: np.zeros(len(M3PI_MEV) - 1, np.int64))
    vertices: dict[str, Counts] = field(default_factory=dict)
    decays: int = 0


def collect(reader: SpillReader, experiment: Experiment, lines: dict[str, int]) -> SpillContent:
    """Read a spill; `lines` are those of the hit menu, name -> bit of the flags, -1 for the control trigger."""
    header = reader.header
    length_s = header.n_frames * FRAME_S
    n_bins = max(round(length_s / BIN_S), min(FEW_BINS, header.n_frames), 1)
    edges = np.linspace(0, header.n_frames, n_bins + 1).astype(np.int64)
    counts, numbers = np.zeros(n_bins), dict.fromkeys(reader.detectors, 0)
    wanted = experiment.beam.intensity_detector
    for block in reader.blocks(PIECE_FRAMES):
        for name, stream in block.streams.items():
            numbers[name] += len(stream.words)
        if wanted in block.streams:
            bins = np.searchsorted(edges, np.arange(block.first_frame, block.stop_frame), side="right") - 1
            np.add.at(counts, bins, np.diff(block.streams[wanted].offsets))
    per_bin_s = np.diff(edges) * FRAME_S
    content = SpillContent(
        np.asarray(edges * FRAME_S, np.float64),
        counts / np.maximum(per_bin_s, FRAME_S) / experiment.beam.primitives_per_beam_particle * 1e-6,
        _true_intensity(reader, edges),
        {name: n / length_s * 1e-6 if length_s else 0.0 for name, n in numbers.items()},
    )
    if "readout" in reader.optional.records:
        content.lines_khz = _line_rates(reader, lines, length_s)
    if reader.optional.truth is not None:
        _collect_truth(reader, content)
    return content


def _true_intensity(reader: SpillReader, edges: Counts) -> Floats | None:
    found = reader.optional.intensity_mhz()
    if found is None or len(found[0]) == 0:
        return None
    cells, per_cell = found
    frames = np.repeat(cells, per_cell)[: reader.header.n_frames]
    sums = np.add.reduceat(frames, np.minimum(edges[:-1], len(frames) - 1))
    return np.asarray(sums / np.maximum(np.diff(edges), 1), np.float64)


def _line_rates(reader: SpillReader, lines: dict[str, int], length_s: float) -> dict[str, float]:
    numbers = dict.fromkeys(lines, 0)
    for first in range(0, reader.header.n_frames, PIECE_FRAMES):
        n = min(PIECE_FRAMES, reader.header.n_frames - first)
        records = reader.optional.read_records("readout", first, n).records
        for name, bit in lines.items():
            fired = records["word"] & 0x10 if bit < 0 else records["flags"] >> bit & 1
            numbers[name] += int(np.count_nonzero(fired))
    return {name: n / length_s * 1e-3 for name, n in numbers.items()}


def _collect_truth(reader: SpillReader, content: SpillContent) -> None:
    truth, rng = reader.optional.truth, np.random.default_rng(SEED)
    assert truth is not None
    names = [str(mode["name"]) for mode in truth.modes]
    particles_before = 0
    for first in range(0, reader.header.n_frames, PIECE_FRAMES):
        n = min(PIECE_FRAMES, reader.header.n_frames - first)
        stream = reader.optional.read_records("truth/decays", first, n)
        decays, times = stream.records, stream.times_lsb()
        particles = reader.optional.read_records("truth/particles", first, n).records
        starts = decays["first_particle"] - particles_before
        particles_before += len(particles)
        content.decays += len(decays)
        for mode in np.unique(decays["mode"]):
            z = decays["vertex_mm"][decays["mode"] == mode, 2] * 1e-3
            counts = content.vertices.setdefault(names[mode], np.zeros(len(VERTEX_M) - 1, np.int64))
            counts += np.histogram(z, VERTEX_M)[0]
        beam = _beam_of(reader, first, n, times)
        for name, rows in tracks_of(decays, particles, starts).items():
            if name == "one":
                _one_track(content, particles, rows, beam, rng)
            else:
                _three_pions(content, particles, rows[1], rng)


def tracks_of(decays: Records, particles: Records, starts: Counts) -> dict[str, tuple[Counts, Counts]]:
    """Find the K+ decays with one charged product, and those into three charged pions.

    starts: int64[n], first product of each decay among the particles. Returns "one" -> (decays int64[k], product
    of each int64[k]) and "three" -> (decays int64[m], products int64[m, 3]).
    """
    owner = np.repeat(np.arange(len(decays)), decays["n_particles"])
    index = np.arange(len(particles))
    assert (starts[owner] <= index).all()
    direct = (particles["mother"] == -1) & (charges(particles["pdg"]) != 0)
    n_charged = np.bincount(owner[direct], minlength=len(decays))
    pions = direct & (np.abs(particles["pdg"]) == PION)
    n_pions = np.bincount(owner[pions], minlength=len(decays))
    kaon = decays["pdg"] == KAON
    single = direct & ((n_charged == 1) & kaon)[owner]
    triple = pions & ((n_charged == 3) & (n_pions == 3) & kaon)[owner]
    return {
        "one": (owner[single], index[single]),
        "three": (np.unique(owner[triple]), index[triple].reshape(-1, 3)),
    }


def _beam_of(reader: SpillReader, first: int, n: int, times: Counts) -> tuple[Floats, NDArray[np.bool_]]:
    """Momentum of the matched beam track of each decay (float64[n, 3]), and whether there is one (bool[n])."""
    stream = reader.optional.read_records("beam", first, n)
    matched = stream.records["matched"] == 1
    records, when = stream.records[matched], stream.times_lsb()[matched]
    if len(when) == 0:
        return np.zeros((len(times), 3)), np.zeros(len(times), np.bool_)
    right = np.clip(np.searchsorted(when, times), 1, max(len(when) - 1, 1))
    right = np.minimum(right, len(when) - 1)
    left = np.maximum(right - 1, 0)
    nearest = np.where(np.abs(when[left] - times) < np.abs(when[right] - times), left, right)
    p, dx, dy = (records[name][nearest].astype(np.float64) for name in ("p_gev", "dx_dz", "dy_dz"))
    return momenta(p, dx, dy), np.abs(when[nearest] - times) <= IN_TIME_LSB


def _one_track(
    content: SpillContent,
    particles: Records,
    rows: tuple[Counts, Counts],
    beam: tuple[Floats, NDArray[np.bool_]],
    rng: np.random.Generator,
) -> None:
    owner, index = rows
    momentum, there = beam
    index, owner = index[there[owner]], owner[there[owner]]
    track = measured_tracks(particles["p_gev"][index].astype(np.float64), rng)
    m2 = m2_miss_gev2(momentum[owner], M_KAON_GEV, track, M_PION_GEV)
    content.m2_p += np.histogram2d(np.sqrt((track**2).sum(axis=1)), m2, (P_GEV, M2_GEV2))[0].astype(np.int64)


def _three_pions(content: SpillContent, particles: Records, index: Counts, rng: np.random.Generator) -> None:
    flat = measured_tracks(particles["p_gev"][index.ravel()].astype(np.float64), rng)
    mass = invariant_mass_gev(flat.reshape(-1, 3, 3), np.full(3, M_PION_GEV))
    content.m3pi += np.histogram(mass * 1e3, M3PI_MEV)[0]
