"""Decays by the thousand, without a spill: for tests of kinematics and of resolutions."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from streams.simulate import chance
from streams.simulate.apparatus import load_apparatus
from streams.simulate.beam import beam_particle
from streams.simulate.decays.catalogue import Catalogue
from streams.simulate.decays.decay import decay
from streams.simulate.detectors.gtk import gtk_track
from streams.simulate.stack import MAX_PARTICLES, N_COLUMNS, count
from trigger.particles import KAON, PION
from trigger.reconstruct.kinematics import momenta
from trigger.records import BEAM

NA62 = load_apparatus("na62")


class Sample(NamedTuple):
    """n decays: stacks float64[n, rows, N_COLUMNS], rows in use and modes int64[n], measured beam tracks BEAM[n]."""

    stacks: NDArray[np.float64]
    counts: NDArray[np.int64]
    modes: NDArray[np.int64]
    beam: NDArray[Any]

    @property
    def beam_p(self) -> NDArray[np.float64]:
        """Measured momenta of the beam particles: float64[n, 3]."""
        slopes = (self.beam[name].astype(np.float64) for name in ("p_gev", "dx_dz", "dy_dz"))
        return momenta(*slopes)

    def p(self, row: int) -> NDArray[np.float64]:
        """True momenta of the particles in a row: float64[n, 3]."""
        return self.stacks[:, row, :3]


@numba.njit
def _fill(seed, pdg, wrong, beam, magnet, gtk, tables, stacks, counts, modes, records, times) -> None:  # type: ignore[no-untyped-def]
    rng, stack = np.zeros(1, np.uint64), np.zeros((MAX_PARTICLES + 1, N_COLUMNS))
    for i in range(len(stacks)):
        rng[0] = chance.seed_of(np.uint64(seed), np.uint64(99), np.uint64(i))
        beam_particle(rng, beam, magnet, pdg, True, stack)
        modes[i] = decay(rng, tables, stack)
        counts[i] = count(stack)
        stacks[i] = stack[: stacks.shape[1]]
        gtk_track(rng, gtk, beam, magnet, stack, True, wrong, 0.0, records, times, i, 0)


def make(
    n: int, *signals: str, parent: int = KAON, seed: int = 1, wrong: bool = False, rows: int = 12
) -> tuple[Sample, Catalogue]:
    """Let `n` beam particles decay; with a signal of br=1 all in its mode. wrong: with the beam track of another."""
    assert parent in (KAON, PION)
    catalogue = Catalogue(signals)
    sample = Sample(
        np.zeros((n, rows, N_COLUMNS)), np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros(n, BEAM)
    )
    times = np.zeros(n, np.int64)
    _fill(seed, parent, wrong, NA62.beam, NA62.magnet, NA62.gtk, catalogue.tables, *sample, times)
    return sample, catalogue
