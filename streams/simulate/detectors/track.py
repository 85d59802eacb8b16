"""The path of a particle: two straight lines that meet at the plane of the spectrometer magnet."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numba import types

from streams.simulate.stack import END_Z, PX, PY, PZ, STACK, TX, TX_AFTER, TY, XM, YM, X, Y, Z, pdg_of
from trigger.jit import inline, kernel, named
from trigger.particles import charge


class Magnet(NamedTuple):
    """The spectrometer magnet: its plane, and the momentum in x that it gives to a positive charge."""

    z_mm: float
    kick_gev: float


MAGNET: Final = named(Magnet)


@kernel(types.float64(STACK, types.int64, types.float64, types.float64))
def x_at(stack: Any, row: int, magnet_mm: float, z: float) -> float:
    """Return x in mm of a particle at z."""
    return stack[row, XM] + (stack[row, TX] if z < magnet_mm else stack[row, TX_AFTER]) * (z - magnet_mm)


@kernel(types.float64(STACK, types.int64, types.float64, types.float64))
def y_at(stack: Any, row: int, magnet_mm: float, z: float) -> float:
    """Return y in mm of a particle at z."""
    return stack[row, YM] + stack[row, TY] * (z - magnet_mm)


@kernel(types.float64(STACK, types.int64, types.float64, types.float64))
def r2_at(stack: Any, row: int, magnet_mm: float, z: float) -> float:
    """Return x^2 + y^2 in mm^2 of a particle at z."""
    x, y = x_at(stack, row, magnet_mm, z), y_at(stack, row, magnet_mm, z)
    return x * x + y * y


@kernel(types.boolean(STACK, types.int64, types.float64))
def is_at(stack: Any, row: int, z: float) -> bool:
    """Say whether a particle flies at z: it began before, and has not ended."""
    return stack[row, Z] < z < stack[row, END_Z]


@inline
def follow(magnet: Any, stack: Any, row: int) -> None:
    """Set the straight lines of a particle up- and downstream of the magnet."""
    px, pz = stack[row, PX], stack[row, PZ]
    stack[row, TX] = px / pz
    stack[row, TY] = stack[row, PY] / pz
    way = magnet.z_mm - stack[row, Z]
    q = charge(pdg_of(stack, row))
    after = stack[row, TX]
    if way > 0.0 and q != 0:
        kicked = px - q * magnet.kick_gev
        along = pz * pz + px * px - kicked * kicked
        after = kicked / np.sqrt(max(along, 1e-6))
    stack[row, TX_AFTER] = after
    stack[row, XM] = stack[row, X] + stack[row, TX] * way
    stack[row, YM] = stack[row, Y] + stack[row, TY] * way
