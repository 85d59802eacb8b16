"""The decay modes of one simulation as one array, which kernels take; see `catalogue` for what it is made of."""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import types
from numpy.typing import NDArray

TWO, THREE, PAIR, FOUR_LEPTONS = range(4)
"""How a mode's products are made: in two, in three, as one particle and a pair, by two virtual photons."""

PHASE_SPACE, SLOPES, SEMILEPTONIC, BREMSSTRAHLUNG = range(4)
"""Shapes of decays in three."""

NEUTRINOS, LEPTONS, PHOTONS, DALITZ = range(4)
"""Shapes of decays in one particle and a pair."""

STABLE, TO_EE, TO_MUMU, TO_GG, TO_PI_E, TO_PI_MU, TO_PAIR = range(7)
"""What an exotic particle decays to; TO_PAIR: to two exotic ones of the second mass, each to e+ e-."""

KAON_MODES, PION_MODES, PI0_MODES = range(3)
"""The parents, in the order of their alias tables."""

MAX_PRODUCTS: Final = 3
N_PARAMETERS: Final = 4

# Columns of the tables, float64[n_modes, N_COLUMNS]; a mode is a row.
KIND, SHAPE, TO = 0, 1, 2
LARGEST = 3  # largest weight of the shape
CTAU_MM, MASS2 = 4, 5  # of an exotic product: its ctau, the mass in GeV of what it decays to
PRODUCT = 6  # PDG numbers, 0 for none
MASS = PRODUCT + MAX_PRODUCTS  # masses of the products, GeV
PARAMETER = MASS + MAX_PRODUCTS  # of the shape
ACCEPT = PARAMETER + N_PARAMETERS  # Walker's alias tables of the three parents, each over all modes
ALIAS = ACCEPT + 3
SIGNAL = ALIAS + 3  # 1 for a mode that was asked for
N_COLUMNS: Final = SIGNAL + 1

DECAY_TABLES: Final = types.float64[:, ::1]
"""numba's type of the tables, for signatures."""


def alias_table(weights: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return Walker's alias table of `weights` (float64[n], not all 0): accept float64[n], alias int64[n].

    Row k of a uniform draw stands for k with probability accept[k], otherwise for alias[k]. Construction by
    M. D. Vose, IEEE Trans. Software Eng. 17 (1991) 972.
    """
    scaled = weights * (len(weights) / weights.sum())
    accept, alias = np.ones(len(weights)), np.arange(len(weights), dtype=np.int64)
    small, large = [int(k) for k in np.flatnonzero(scaled < 1)], [int(k) for k in np.flatnonzero(scaled >= 1)]
    while small and large:
        low, high = small.pop(), large[-1]
        accept[low], alias[low] = scaled[low], high
        scaled[high] -= 1 - scaled[low]
        if scaled[high] < 1:
            small.append(large.pop())
    return accept, alias
