"""The particles of one decay: filled by the decay, followed by the transport, read by the detectors.

Row 0 is the beam particle; no detector sees it after the GTK. A halo muon is in row 1, its row 0 is empty. What has
decayed stays on the stack with its END_Z; products name their mother's row.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from trigger.jit import Matrix, kernel, named

MAX_PARTICLES: Final = 64

# Columns of `state`. Lengths in mm, momenta and energies in GeV.
PX, PY, PZ, ENERGY = 0, 1, 2, 3  # where the particle began
X, Y, Z = 4, 5, 6  # where it began
END_Z = 7  # where it ended: decayed, absorbed; infinite as long as nothing stopped it
TX, TX_AFTER, TY = 8, 9, 10  # slopes dx/dz upstream and downstream of the magnet, dy/dz
XM, YM = 11, 12  # its straight lines at the plane of the magnet
LKR_GEV = 13  # energy that it leaves in the LKr
N_COLUMNS: Final = 14


class Stack(NamedTuple):
    """pdg, mother: int64[MAX_PARTICLES]. state: float64[MAX_PARTICLES, N_COLUMNS]. n: int64[1], rows in use."""

    pdg: NDArray[np.int64]
    mother: NDArray[np.int64]
    state: Matrix
    n: NDArray[np.int64]


def new_stack() -> Stack:
    """Make an empty stack."""
    return Stack(
        np.zeros(MAX_PARTICLES, np.int64),
        np.zeros(MAX_PARTICLES, np.int64),
        np.zeros((MAX_PARTICLES, N_COLUMNS)),
        np.zeros(1, np.int64),
    )


STACK: Final = named(Stack)
"""numba's type of a stack, for signatures."""


@kernel(types.int64(STACK, *[types.int64] * 2, *[types.float64] * 7))
def push(
    stack: Any,
    pdg: int,
    mother: int,
    px: float,
    py: float,
    pz: float,
    energy: float,
    x: float,
    y: float,
    z: float,
) -> int:
    """Add a particle that begins at a place with a momentum; return its row."""
    i = stack.n[0]
    stack.n[0] = i + 1
    stack.pdg[i] = pdg
    stack.mother[i] = mother
    row = stack.state[i]
    row[PX], row[PY], row[PZ], row[ENERGY] = px, py, pz, energy
    row[X], row[Y], row[Z] = x, y, z
    row[END_Z] = np.inf
    row[LKR_GEV] = 0.0
    return i
