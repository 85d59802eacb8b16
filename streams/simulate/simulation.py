"""A spill that is simulated block by block: what each block depends on, and its two passes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streams.simulate.apparatus import load_apparatus
from streams.simulate.beam import decays_per_particle
from streams.simulate.chance import generator
from streams.simulate.decays.catalogue import Catalogue
from streams.simulate.detectors.primitives import Primitives
from streams.simulate.first_pass import first_pass
from streams.simulate.happening import HALO, KAONS, PIONS, Scratch, World, new_scratch
from streams.simulate.intensity import TURN_PERIOD_LSB, IntensityProfile, flat_profile, spill_profile
from streams.simulate.measured import measured_profile
from streams.simulate.moments import Pulse
from streams.simulate.near import Frames
from streams.simulate.readout import Readout
from streams.simulate.second_look import SecondLook
from streams.simulate.settings import SimulationSettings
from streams.spill.extras import SpillExtras
from trigger.clock import FRAME_BITS, LSB_PER_FRAME, LSB_S
from trigger.experiment import Experiment
from trigger.frames import BLOCK_FRAMES, Block
from trigger.l0.triggers import Triggers

PER_MHZ: Final = 1e6 * LSB_S
"""A rate of one MHz, per LSB."""

HITS_A_MOMENT: Final = 4
"""Room for hits of a detector, to begin with: it grows when it is not enough."""


@dataclass(frozen=True)
class Piece:
    """A simulated block. made: int64[n_modes, 3], see `first_pass`. clipped: hits
    that fell before the first or after the last frame of the spill. extras: what was read out, None without a
    readout."""

    index: int
    block: Block
    made: NDArray[np.int64]
    clipped: int
    extras: SpillExtras | None = None


class SpillSimulation:
    """A spill of some settings; its pieces can be made in any order, by any thread."""

    def __init__(self, settings: SimulationSettings, experiment: Experiment) -> None:
        """Set up. Raises SimulationError if the experiment cannot be simulated, or a signal is wrong."""
        self.settings = settings
        self.experiment = experiment
        self.apparatus = load_apparatus(experiment.name)
        self.catalogue = Catalogue(settings.signals)
        self.profile = make_profile(settings, experiment)
        self.primitives = Primitives(self.apparatus, experiment)
        self.detectors: tuple[str, ...] = self.primitives.detectors
        beam, background = self.apparatus.beam, self.apparatus.background
        nominal = experiment.beam.nominal_intensity_mhz
        rates = np.zeros(HALO + 1 + len(self.detectors))
        rates[KAONS], rates[PIONS] = decays_per_particle(beam)
        rates[HALO] = settings.halo * background.halo_mhz / nominal
        rates[HALO + 1 :] = settings.accidentals * np.array(background.accidental_mhz) / nominal
        self.per_particle = float(rates.sum())
        """Moments for each particle of the beam."""
        shares = np.cumsum(rates) / self.per_particle
        shares[-1] = 1.0
        pulse = Pulse(self.profile.turn_amplitude, 2 * np.pi / TURN_PERIOD_LSB, self.profile.turn_phase)
        self.world = World(settings.seed, pulse, shares, self.catalogue.tables, self.apparatus)

    @property
    def n_frames(self) -> int:
        """Frames of the spill."""
        return self.profile.n_frames

    @property
    def n_blocks(self) -> int:
        """Blocks of the spill; the last one may be shorter."""
        return -(-self.n_frames // BLOCK_FRAMES)

    def frames(self, index: int) -> Frames:
        """Return block `index` and its neighbouring frames, as far as they are in the spill."""
        first = index * BLOCK_FRAMES
        n = min(BLOCK_FRAMES, self.n_frames - first)
        start = max(first - 1, 0)
        mhz = self.profile.frames_mhz(start, min(first + n + 1, self.n_frames))
        return Frames(first, n, start, mhz, mhz * (self.per_particle * PER_MHZ))

    def scratch(self, frames: Frames) -> Scratch:
        """Make a scratch for the moments of the busiest of the frames."""
        most = float(frames.rates.max()) * (1 + self.world.pulse.amplitude) * LSB_PER_FRAME
        return new_scratch(int(most + 10 * np.sqrt(most)) + 64)

    def first(self, index: int) -> Piece:
        """Make the primitives of block `index`, 0 to n_blocks - 1."""
        frames = self.frames(index)
        room = int(HITS_A_MOMENT * frames.rates.sum() * LSB_PER_FRAME) + 1024
        while True:
            hits, counts = (
                np.empty((len(self.detectors), room), np.int64),
                np.zeros(len(self.detectors), np.int64),
            )
            made = np.zeros((len(self.catalogue.modes), 3), np.int64)
            scratch = self.scratch(frames)
            if first_pass(self.world, scratch, frames, hits, counts, made):
                break
            room *= 2
        streams, clipped = {}, 0
        for d, name in enumerate(self.detectors):
            own = hits[d, : counts[d]]
            clipped += self._outside_spill(own, frames)
            streams[name] = self.primitives.make(d, own, frames.first, frames.n)
        return Piece(index, Block(frames.first, frames.n, streams), made, clipped)

    def _outside_spill(self, hits: NDArray[np.int64], frames: Frames) -> int:
        outside = 0
        if frames.first == 0:
            outside += int(np.count_nonzero(hits < 0))
        if frames.first + frames.n == self.n_frames:
            outside += int(np.count_nonzero((hits >> (16 + FRAME_BITS)) >= frames.n))
        return outside

    def second(self, piece: Piece, readout: Readout, triggers: Triggers) -> Piece:
        """Add what is read out around the triggers, given all whose windows can reach into the block."""
        extras = SecondLook(self, readout).make(self.frames(piece.index), triggers)
        return Piece(piece.index, piece.block, piece.made, piece.clipped, extras)


def make_profile(settings: SimulationSettings, experiment: Experiment) -> IntensityProfile:
    """Return the beam intensity along the spill that the settings ask for."""
    if settings.profile:
        return measured_profile(settings.profile, experiment, settings.intensity_mhz, settings.n_frames)
    if settings.flat:
        return flat_profile(settings.intensity_mhz, settings.n_frames)
    return spill_profile(
        settings.intensity_mhz,
        settings.n_frames,
        experiment.spill.duration_s,
        settings.duty_factor,
        generator(settings.seed),
    )
