"""The GTK: tracks of beam particles, and how many hits they leave."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numba import from_dtype, types

from streams.simulate import chance
from streams.simulate.beam import BEAM as BEAM_PARTS
from streams.simulate.detectors.track import MAGNET
from streams.simulate.stack import PX, PY, PZ, STACK, X, Y, Z
from trigger.clock import LSB_NS
from trigger.jit import kernel, named
from trigger.records import BEAM

STATIONS: Final = 3


class Gtk(NamedTuple):
    """Resolutions: of the momentum relative to it, of slopes, position, time. efficiency: of a station.

    wrong_at_0, wrong_per_mhz: probability that the matching gives a decay the track of another particle, which
    grows with the intensity. window_ns: in which the hits of a trigger are counted.
    """

    momentum: float
    slope: float
    position_mm: float
    time_ns: float
    efficiency: float
    wrong_at_0: float
    wrong_per_mhz: float
    window_ns: float


GTK_PARTS: Final = named(Gtk)


@kernel(types.float64(GTK_PARTS, types.float64))
def wrong_probability(gtk: Any, intensity_mhz: float) -> float:
    """Probability of a wrong track at an intensity: a straight line, at most 1."""
    return min(gtk.wrong_at_0 + gtk.wrong_per_mhz * intensity_mhz, 1.0)


@kernel(
    types.void(
        types.uint64[::1],
        GTK_PARTS,
        BEAM_PARTS,
        MAGNET,
        STACK,
        types.boolean,
        types.boolean,
        types.float64,
        from_dtype(BEAM)[::1],
        types.int64[::1],
        types.int64,
        types.int64,
    )
)
def gtk_track(
    rng: Any,
    gtk: Any,
    beam: Any,
    magnet: Any,
    stack: Any,
    matched: bool,
    wrong: bool,
    time: float,
    records: Any,
    times: Any,
    n: int,
    origin: int,
) -> None:
    """Write the measured track of the beam particle in row 0 as record `n`, and its time: origin + time in LSB.

    wrong: the track of an independent beam particle, in time with the decay, takes its place.
    """
    p = np.sqrt(stack[0, PX] ** 2 + stack[0, PY] ** 2 + stack[0, PZ] ** 2)
    px, pz, x, z = stack[0, PX], stack[0, PZ], stack[0, X], stack[0, Z]
    if beam.bent_behind_magnet and z > magnet.z_mm:
        # Back to where the magnet had not bent it.
        x -= px / pz * (z - magnet.z_mm)
        px += magnet.kick_gev
        pz, z = np.sqrt(p * p - px * px - stack[0, PY] ** 2), magnet.z_mm
    tx, ty = px / pz, stack[0, PY] / pz
    x -= tx * (z - beam.entrance_mm)
    y = stack[0, Y] - ty * (stack[0, Z] - beam.entrance_mm)
    if wrong:
        p = beam.momentum_gev * (1.0 + beam.spread * chance.normal(rng))
        tx, ty = beam.axis_slope + beam.divergence * chance.normal(rng), beam.divergence * chance.normal(rng)
        x = beam.axis_slope * (beam.entrance_mm - beam.axis_zero_mm) + beam.spot_x_mm * chance.normal(rng)
        y = beam.spot_y_mm * chance.normal(rng)
    records[n]["matched"] = matched
    records[n]["p_gev"] = p * (1.0 + gtk.momentum * chance.normal(rng))
    records[n]["dx_dz"] = tx + gtk.slope * chance.normal(rng)
    records[n]["dy_dz"] = ty + gtk.slope * chance.normal(rng)
    records[n]["x_mm"] = x + gtk.position_mm * chance.normal(rng)
    records[n]["y_mm"] = y + gtk.position_mm * chance.normal(rng)
    times[n] = origin + np.int64(np.floor(time + gtk.time_ns / LSB_NS * chance.normal(rng)))


@kernel(types.int64(types.uint64[::1], GTK_PARTS, types.int64))
def station_hits(rng: Any, gtk: Any, particles: int) -> int:
    """Draw how many of the particles that cross a station it sees."""
    seen = 0
    for _ in range(particles):
        seen += chance.uniform(rng) < gtk.efficiency
    return seen
