"""The ID of a primitive: conditions of the experiment's L0 firmware, from the hits of one cluster.

Definitions: the experiment's L0 emulators. A condition's bit comes from the experiment's profile; `bits` has them as
masks, in the order of the names here.
"""

from __future__ import annotations

from typing import Any, Final

from streams.simulate.detectors.chod import HORIZONTAL, SLABS
from streams.simulate.detectors.lkr import ENERGY_UNIT_GEV
from streams.simulate.detectors.muv3 import OUTER, SIDE
from streams.simulate.detectors.muv3 import SECOND as MUV3_SECOND
from streams.simulate.detectors.newchod import QUADRANT, SECOND
from trigger.jit import kernel

MOST_HITS: Final = 32
"""Hits of a detector in a split of 100 ns: the board drops what comes later."""

MUV3_NAMES: Final = ("M1", "M2", "MO1", "MO2", "MOQX", "MT1", "MTO1")
NEWCHOD_NAMES: Final = (
    "Q1", "Q2", "QX", "UTMC", "H1", "H2", "QE1", "QE2", "QE3", "QE4", "HO1", "HT1", "HTO1",
)  # fmt: skip
LKR_NAMES: Final = ("E1", "E2", "E5", "E10", "E20", "E30", "E40", "C1", "C2", "C1E10", "C2E10", "LKr30")
LKR_THRESHOLDS_GEV: Final = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 40.0)

TIGHT_MULTIPLICITY: Final = 5
"""UTMC: fewer tiles than this."""

INNER_TILES: Final = (1, 5)
"""Tiles of a NewCHOD quadrant nearest to the beam; the others are outer ones."""


@kernel("int64(int64[::1], int64)")
def chod_fires(members: Any, n: int) -> int:
    """1 if both planes of a quadrant are hit, else 0. members: int64[MOST_HITS], IDs, of which n count."""
    vertical, horizontal = 0, 0
    for i in range(n):
        if members[i] < HORIZONTAL:
            vertical |= 1 << (members[i] // SLABS)
        else:
            horizontal |= 1 << ((members[i] - HORIZONTAL) // SLABS)
    return 1 if vertical & horizontal else 0


@kernel("int64(int64, int64, int64)")
def pad_of(identity: int, period: int, second: int) -> int:
    """Return the ID of a pad's first tube: its second one is `second` more, and pads repeat with `period`."""
    return identity // period * period + identity % period % second


@kernel("int64(int64[::1], int64, int64, int64)")
def tubes(members: Any, i: int, period: int, second: int) -> int:
    """Return 1 for a pad's first hit among the members, 2 for the first of its other tube, 0 for later ones."""
    pad, same, other = pad_of(members[i], period, second), False, False
    for j in range(i):
        same |= members[j] == members[i]
        other |= members[j] != members[i] and pad_of(members[j], period, second) == pad
    if same:
        return 0
    return 2 if other else 1


@kernel("int64(int64)")
def muv3_quadrant(pad: int) -> int:
    """Quadrant of an outer pad, 0 and 2 opposite."""
    right, up = pad % SIDE >= SIDE // 2, pad // SIDE >= SIDE // 2
    if up:
        return 0 if right else 1
    return 3 if right else 2


@kernel("int64(int64[::1], int64, int64[::1])")
def muv3_id(members: Any, n: int, bits: Any) -> int:
    """ID from the pads of a cluster. bits: int64[7], masks of MUV3_NAMES."""
    pads, outer, tight, tight_outer, quadrants = 0, 0, 0, 0, 0
    for i in range(n):
        seen, pad = tubes(members, i, 2 * MUV3_SECOND, MUV3_SECOND), members[i] % MUV3_SECOND
        is_outer = pad < OUTER
        if seen == 1:
            pads += 1
            outer += is_outer
            if is_outer:
                quadrants |= 1 << muv3_quadrant(pad)
        elif seen == 2:
            tight += 1
            tight_outer += is_outer
    opposite = quadrants & 5 == 5 or quadrants & 10 == 10
    identity = 0
    for k, holds in enumerate(
        (pads >= 1, pads >= 2, outer >= 1, outer >= 2, opposite, tight >= 1, tight_outer >= 1)
    ):
        identity |= bits[k] * holds
    return identity


@kernel("int64(int64[::1], int64, int64[::1])")
def newchod_id(members: Any, n: int, bits: Any) -> int:
    """ID from the tiles of a cluster. bits: int64[13], masks of NEWCHOD_NAMES. QEn: tiles in quadrant n only."""
    tiles, outer, tight, tight_outer, quadrants = 0, 0, 0, 0, 0
    for i in range(n):
        seen, quadrant, tile = (
            tubes(members, i, QUADRANT, SECOND),
            members[i] // QUADRANT - 1,
            members[i] % SECOND,
        )
        is_outer = tile not in INNER_TILES
        if seen == 1:
            tiles += 1
            outer += is_outer
            quadrants |= 1 << quadrant
        elif seen == 2:
            tight += 1
            tight_outer += is_outer
    opposite = quadrants & 5 == 5 or quadrants & 10 == 10
    several = quadrants & (quadrants - 1) != 0
    identity = 0
    for k, holds in enumerate(
        (
            tiles >= 1,
            several,
            opposite,
            tiles < TIGHT_MULTIPLICITY,
            tiles >= 1,
            tiles >= 2,
            quadrants == 1,
            quadrants == 2,
            quadrants == 4,
            quadrants == 8,
            outer >= 1,
            tight >= 1,
            tight_outer >= 1,
        )
    ):
        identity |= bits[k] * holds
    return identity


@kernel("int64(int64[::1], int64, int64[::1])")
def lkr_id(members: Any, n: int, bits: Any) -> int:
    """ID from the clusters within a cluster in time. bits: int64[12], masks of LKR_NAMES."""
    energy = 0.0
    for i in range(n):
        energy += (members[i] + 0.5) * ENERGY_UNIT_GEV
    identity, k = 0, 0
    for threshold in LKR_THRESHOLDS_GEV:
        if energy > threshold:
            identity |= bits[k]
        k += 1
    for holds in (
        n == 1,
        n >= 2,
        n == 1 and energy > 10.0,
        n >= 2 and energy > 10.0,
        energy > 30.0 or (energy > 5.0 and n >= 2),
    ):
        identity |= bits[k] * holds
        k += 1
    return identity
