"""Where the detectors are, and how near in time and in space something must be to belong to a trigger or a track.

Lengths in mm, z from the target; times are half widths of windows about the trigger, in ns. Geometry: as in the
experiment's GeometricAcceptance, and as `streams.simulate` has it. "Chosen" is what no public number was found for:
five standard deviations of the resolution, unless a reason is given.
"""

from __future__ import annotations

from typing import Final

from trigger.clock import LSB_NS

BEAM_GEV: Final = 75.0
"""Nominal momentum of the beam, along the axis of `l1.straw.geometry`."""

GTK3_MM: Final = 102400.0
"""Where a beam track has its position."""

BEAM_NS: Final = 1.0
"""A beam track in time: the experiment matches within 0.5 to 0.6 ns of the KTAG; the trigger's time is less sharp."""

KTAG_NS: Final = 2.0
"""Chosen: six standard deviations of a photo-electron."""

VETO_NS: Final = 6.0
"""LAV, IRC and SAC: the window of the LAV in the L1 software of 2018."""

SMALL_ANGLE_CHANNELS: Final = 128
"""Of IRC and SAC together; even ones have the low threshold."""

LKR_MM: Final = 241093.0
LKR_HOLE_MM: Final = 150.0
LKR_APOTHEM_MM: Final = 1130.0

LKR_NS: Final = 3.5
"""Chosen."""

CLUSTER_MM: Final = 60.0
"""The cluster of a track is as near to where it arrives: two that are nearer to each other are one (three cells)."""

PHOTON_MM: Final = 100.0
"""A photon's cluster is farther from each track: the showers of hadrons are as wide. Chosen."""

PHOTON_GEV: Final = 1.0
"""Least energy of a photon: four standard deviations above what a muon leaves. Chosen."""

RICH_FOCAL_MM: Final = 17000.0
RICH_REFRACTION: Final = 6.1e-5
"""n - 1 of the neon."""

RICH_NS: Final = 1.0
"""Of a ring. Chosen: of three photo-electrons."""

RING_MM: Final = 15.0
"""Distance of a ring's centre from where its track's slopes put it. Chosen: for three photo-electrons."""

MUV3_MM: Final = 246800.0
MUV3_HOLE_MM: Final = 103.0
PAD_MM: Final = 220.0
PADS: Final = 12
"""Pads in a row, and rows: ID = PADS x row + column. The four in the middle make room for eight inner ones, whose IDs
follow."""

MUV3_NS: Final = 2.5
"""Chosen."""

PAD_MARGIN_MM: Final = 10.0
PAD_MARGIN_MM_GEV: Final = 600.0
"""What may lie between a pad and where a muon of momentum p should arrive: PAD_MARGIN_MM + PAD_MARGIN_MM_GEV / p. One
standard deviation of multiple scattering in LKr, MUV1, MUV2 and the iron: 140 radiation lengths, 3.3 m from their
middle to the pads."""


def most_lsb(half_ns: float) -> int:
    """Return the longest time in whole LSB that is not longer than `half_ns`."""
    return int(half_ns / LSB_NS)


BEAM_LSB: Final = most_lsb(BEAM_NS)
KTAG_LSB: Final = most_lsb(KTAG_NS)
VETO_LSB: Final = most_lsb(VETO_NS)
LKR_LSB: Final = most_lsb(LKR_NS)
RICH_LSB: Final = most_lsb(RICH_NS)
MUV3_LSB: Final = most_lsb(MUV3_NS)
"""The same in LSB: what is as far from the trigger is in time."""
