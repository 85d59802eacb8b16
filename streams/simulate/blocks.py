"""Simulated blocks, each a pure function of the settings and its number, so that any worker can make it."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.simulate.clusters import pack_clusters
from streams.simulate.draw import HIT_ID_BITS, draw_hits
from streams.simulate.intensity import TURN_PERIOD_LSB, IntensityProfile, flat_profile, spill_profile
from streams.simulate.outcomes import alias_table, enumerate_outcomes
from streams.simulate.response import ResponseTable, load_response
from streams.simulate.settings import SimulationSettings
from trigger.clock import FRAME_BITS, LSB_NS, LSB_PER_FRAME, LSB_S
from trigger.experiment import Experiment
from trigger.frames import BLOCK_FRAMES, Block, FrameStream

HZ_PER_MHZ: Final = 1e6

PROFILE, INSIDE, BOUNDARY = range(3)
"""What a random generator is for: first part of its spawn key."""

REACH_SIGMAS: Final = 10
"""A time deviates by at most this many resolutions; a Gaussian does so once in 1e23."""


@dataclass(frozen=True)
class SimulatedBlock:
    """A block, and the number of hits that fell before the first or after the last frame of the spill."""

    block: Block
    clipped: int


class _Part(NamedTuple):
    """Times drawn by one random generator: from `start` to `stop`, LSB since `frame` began.

    Times count from a boundary where there is one, so that both of its blocks compute the same to the last bit.
    """

    purpose: int
    number: int
    frame: int
    start: float
    stop: float


class SpillSimulation:
    """A spill that is made block by block.

    Decays near the boundary of two blocks can fire in both. They have a generator of their own and are drawn
    for both blocks alike, each of which keeps the hits in its frames: no hit is lost or doubled, and blocks
    need not know of each other.
    """

    def __init__(
        self, settings: SimulationSettings, experiment: Experiment, table: ResponseTable | None = None
    ) -> None:
        """Set up; `table` is the experiment's own unless given. Raises SimulationError if there is none."""
        self.settings = settings
        table = table or load_response(experiment.name)
        self.outcomes = enumerate_outcomes(table, experiment, settings.accidentals, settings.halo)
        self.profile = make_profile(settings, experiment)
        self._accept, self._alias = alias_table(self.outcomes.rates)
        self._reach = float(np.ceil(REACH_SIGMAS * self.outcomes.resolution_lsb.max()))
        self._window = round(settings.cluster_ns / LSB_NS)

    @property
    def n_frames(self) -> int:
        """Frames of the spill."""
        return self.profile.n_frames

    @property
    def n_blocks(self) -> int:
        """Blocks of the spill; the last one may be shorter."""
        return -(-self.n_frames // BLOCK_FRAMES)

    def make(self, index: int) -> SimulatedBlock:
        """Simulate block `index`, 0 to n_blocks - 1."""
        first = index * BLOCK_FRAMES
        n_frames = min(BLOCK_FRAMES, self.n_frames - first)
        hits, counts = self._draw(index, first, n_frames)
        streams, clipped = {}, 0
        for d, name in enumerate(self.outcomes.detectors):
            own = hits[d, : counts[d]]
            clipped += self._outside_spill(own, first, n_frames)
            offsets, words = np.empty(n_frames + 1, np.int64), np.empty(len(own), np.uint32)
            n_words = pack_clusters(own, self._window, offsets, words)
            streams[name] = FrameStream(first, offsets, words[:n_words])
        return SimulatedBlock(Block(first, n_frames, streams), clipped)

    def _draw(self, index: int, first: int, n_frames: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return hits int64[n_detectors, capacity] and their numbers int64[n_detectors]."""
        rates = self._rates(first, first + n_frames)
        expected = rates.sum() * LSB_PER_FRAME
        capacity = int(expected + 8 * np.sqrt(expected)) + 64
        while True:
            hits = np.empty((len(self.outcomes.detectors), capacity), np.int64)
            counts = np.zeros(len(self.outcomes.detectors), np.int64)
            if self._fill(index, first, n_frames, hits, counts):
                return hits, counts
            capacity *= 2

    def _fill(
        self, index: int, first: int, n_frames: int, hits: NDArray[np.int64], counts: NDArray[np.int64]
    ) -> bool:
        """Draw the decays at the left boundary, inside, and at the right boundary; False if hits overflow."""
        length, reach = float(n_frames * LSB_PER_FRAME), self._reach
        last = first + n_frames
        parts = (
            _Part(BOUNDARY, index, first, -reach, reach),
            _Part(INSIDE, index, first, reach, length - reach),
            _Part(BOUNDARY, index + 1, last, -reach, reach),
        )
        return all(self._fill_part(part, first, hits, counts) for part in parts)

    def _fill_part(self, part: _Part, first: int, hits: NDArray[np.int64], counts: NDArray[np.int64]) -> bool:
        """Draw the decays of one part, as far as it lies in the spill; False if hits overflow."""
        low = max(int(part.start // LSB_PER_FRAME), -part.frame)
        high = min(-int(-part.stop // LSB_PER_FRAME), self.n_frames - part.frame)
        edges = np.arange(low, high + 1, dtype=np.float64) * LSB_PER_FRAME
        frequency = 2 * np.pi / TURN_PERIOD_LSB
        phase = self.profile.turn_phase + frequency * (part.frame * LSB_PER_FRAME % TURN_PERIOD_LSB)
        return bool(
            draw_hits(
                generator(self.settings.seed, part.purpose, part.number),
                np.clip(edges, part.start, part.stop),
                self._rates(part.frame + low, part.frame + high),
                np.array([self.profile.turn_amplitude, frequency, phase]),
                self._accept,
                self._alias,
                self.outcomes.ids,
                self.outcomes.resolution_lsb,
                self._reach,
                (part.frame - first) * LSB_PER_FRAME,
                hits,
                counts,
            )
        )

    def _rates(self, first: int, stop: int) -> NDArray[np.float64]:
        """Outcomes per LSB in each frame from `first` to before `stop`."""
        return self.profile.frames_mhz(first, stop) * (self.outcomes.rate * HZ_PER_MHZ * LSB_S)

    def _outside_spill(self, hits: NDArray[np.int64], first: int, n_frames: int) -> int:
        outside = 0
        if first == 0:
            outside += int(np.count_nonzero(hits < 0))
        if first + n_frames == self.n_frames:
            outside += int(np.count_nonzero((hits >> (HIT_ID_BITS + FRAME_BITS)) >= n_frames))
        return outside


def generator(seed: int, *key: int) -> np.random.Generator:
    """Return the random generator of one part of the simulation. SFC64 is the fastest of numpy's."""
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed, spawn_key=key)))


def make_profile(settings: SimulationSettings, experiment: Experiment) -> IntensityProfile:
    """Return the beam intensity along the spill that the settings ask for."""
    if settings.flat:
        return flat_profile(settings.intensity_mhz, settings.n_frames)
    return spill_profile(
        settings.intensity_mhz,
        settings.n_frames,
        experiment.spill.duration_s,
        settings.duty_factor,
        generator(settings.seed, PROFILE),
    )


def make_blocks(simulation: SpillSimulation, workers: int = 1) -> Generator[SimulatedBlock, None, None]:
    """Yield the blocks of a spill in order, made by `workers` threads that run a few blocks ahead at most."""
    if workers == 1:
        yield from map(simulation.make, range(simulation.n_blocks))
        return
    with ThreadPoolExecutor(workers, "simulate") as pool:
        todo = iter(range(simulation.n_blocks))
        ahead: deque[Future[SimulatedBlock]] = deque(
            pool.submit(simulation.make, index) for index in islice(todo, 2 * workers)
        )
        try:
            while ahead:
                made = ahead.popleft().result()
                ahead.extend(pool.submit(simulation.make, index) for index in islice(todo, 1))
                yield made
        finally:
            for future in ahead:
                future.cancel()


def simulate_blocks(
    settings: SimulationSettings, experiment: Experiment, workers: int = 1
) -> Iterator[Block]:
    """Yield the primitives of a simulated spill, block by block, the same for any number of `workers`.

    Raises SimulationError if the experiment has no response table.
    """
    for made in make_blocks(SpillSimulation(settings, experiment), workers):
        yield made.block
