"""The particles of one decay: filled by the decay, followed by the transport, read by the detectors.

A stack is float64[MAX_PARTICLES + 1, N_COLUMNS], a particle a row. Row 0 is the beam particle; no detector sees it
after the GTK. A halo muon is in row 1, its row 0 is empty. What has decayed stays on the stack with its END_Z;
products name their mother's row. It is one array, and not a tuple of several, because a kernel pays for each array
that it passes on.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import types
from numpy.typing import NDArray

from trigger.jit import kernel

MAX_PARTICLES: Final = 64

# Columns. Lengths in mm, momenta and energies in GeV.
PX, PY, PZ, ENERGY = 0, 1, 2, 3  # where the particle began
X, Y, Z = 4, 5, 6  # where it began
END_Z = 7  # where it ended: decayed, absorbed; infinite as long as nothing stopped it
TX, TX_AFTER, TY = 8, 9, 10  # slopes dx/dz upstream and downstream of the magnet, dy/dz
XM, YM = 11, 12  # where its straight lines cross the plane of the magnet
LKR_GEV = 13  # energy that it leaves in the LKr
PDG, MOTHER = 14, 15  # its PDG number; the row of what it comes from, -1 for the beam particle
MODE = 16  # number of the mode that made it, which says what an exotic particle does
N_COLUMNS: Final = 17

STACK: Final = types.float64[:, ::1]
"""numba's type of a stack, for signatures."""

VECTOR: Final = types.UniTuple(types.float64, 3)  # type: ignore[no-untyped-call]
FOUR: Final = types.UniTuple(types.float64, 4)  # type: ignore[no-untyped-call]
"""numba's types of (x, y, z) and of (px, py, pz, E)."""


def new_stack() -> NDArray[np.float64]:
    """Make an empty stack."""
    return np.zeros((MAX_PARTICLES + 1, N_COLUMNS))


@kernel(types.int64(STACK))
def count(stack: Any) -> int:
    """Return how many rows are in use: kept in the row behind the last."""
    return int(stack[MAX_PARTICLES, 0])


@kernel(types.void(STACK, types.int64))
def set_count(stack: Any, n: int) -> None:
    """Use the first `n` rows."""
    stack[MAX_PARTICLES, 0] = n


@kernel(types.void(STACK, types.int64, types.int64, FOUR, VECTOR))
def push(stack: Any, pdg: int, mother: int, p: Any, place: Any) -> None:
    """Add a particle of momentum (px, py, pz, E) that begins at a place (x, y, z)."""
    i = count(stack)
    set_count(stack, i + 1)
    stack[i, PX], stack[i, PY], stack[i, PZ], stack[i, ENERGY] = p
    stack[i, X], stack[i, Y], stack[i, Z] = place
    stack[i, END_Z] = np.inf
    stack[i, LKR_GEV] = 0.0
    stack[i, PDG], stack[i, MOTHER] = pdg, mother


@kernel(types.int64(STACK, types.int64))
def pdg_of(stack: Any, row: int) -> int:
    """Return the PDG number of a particle."""
    return int(stack[row, PDG])


@kernel(FOUR(STACK, types.int64))
def momentum_of(stack: Any, row: int) -> tuple[float, float, float, float]:
    """Return (px, py, pz, E) of a particle."""
    return stack[row, PX], stack[row, PY], stack[row, PZ], stack[row, ENERGY]


@kernel(VECTOR(STACK, types.int64))
def place_of(stack: Any, row: int) -> tuple[float, float, float]:
    """Return (x, y, z) where a particle began."""
    return stack[row, X], stack[row, Y], stack[row, Z]
