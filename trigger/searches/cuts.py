"""Cuts that several searches make. A comparison with NaN is false: what an event does not have passes none."""

from __future__ import annotations

from typing import Any, Final

from numba import from_dtype, types

from trigger.jit import inline
from trigger.particles import M_KAON_GEV
from trigger.reconstruct.candidates import FIVE_TRACKS, MATCHED, ONE_TRACK, THREE_TRACKS

SELECT_ONE: Final = types.void(from_dtype(ONE_TRACK)[::1], types.float64[::1])
SELECT_THREE: Final = types.void(from_dtype(THREE_TRACKS)[::1], types.float64[::1])
SELECT_FIVE: Final = types.void(from_dtype(FIVE_TRACKS)[::1], types.float64[::1])
"""Signatures of the kernels that select: see `search.Select`."""

KAON_SECTORS: Final = 5
"""Sectors of the KTAG that make a kaon, of 8: as L1 KTAG asks."""

ONE_TRACK_Z_MM: Final = (105_000.0, 170_000.0)
"""Vertex of a track and the beam: from the fiducial volume's begin to where the analysis of pi nu nu ends."""

TRACKS_Z_MM: Final = (105_000.0, 180_000.0)
"""Vertex of three or five tracks: the fiducial volume."""

CDA_MM: Final = 8.0
"""Distance of a track and the beam track, and of tracks from their vertex. Chosen."""

BEAM_GEV: Final = (72.0, 78.0)
PT_GEV: Final = 0.030
"""Momentum of all products along the beam and across it: as the experiment's analysis of the K3pi flux."""

PION_EOP: Final = 0.80
ELECTRON_EOP: Final = (0.90, 1.10)
MUON_EOP: Final = 0.20
"""Energy over momentum. Chosen; of electrons at 5 GeV/c 3 standard deviations."""

PION_RING_GEV2: Final = (0.0145, 0.030)
ELECTRON_RING_GEV2: Final = (-0.012, 0.004)
"""Square of the mass by the ring: the pion's is 0.0195, the muon's 0.0112. Chosen."""

LEAST_ELECTRONS: Final = 2
"""Of the four tracks: slow ones miss the LKr. The masses do the rest. Chosen."""

KAON_4E_GEV: Final = 0.012
"""Mass of pi 4e about that of the kaon. Chosen."""

PAIRS_GEV: Final = 0.006
"""Masses of the two pairs about each other. Chosen."""


@inline
def of_beam(c: Any) -> bool:
    """One positive track that begins where a beam track passes."""
    return bool(
        c["beam"] == MATCHED
        and c["charge"] == 1
        and ONE_TRACK_Z_MM[0] < c["z_mm"] < ONE_TRACK_Z_MM[1]
        and c["cda_mm"] < CDA_MM
    )


@inline
def of_kaon(c: Any) -> bool:
    """One positive track of a beam track, and a kaon is in the KTAG."""
    return bool(c["kaon_sectors"] >= KAON_SECTORS and of_beam(c))


@inline
def alone(c: Any) -> bool:
    """No photon anywhere."""
    return bool(c["n_photons"] == 0 and c["lav_hits"] == 0 and c["small_angle_hits"] == 0)


@inline
def is_pion(c: Any) -> bool:
    """One track that is a pion by its ring, its energy, and no muon."""
    return bool(
        PION_RING_GEV2[0] < c["ring_m2_gev2"] < PION_RING_GEV2[1]
        and c["in_lkr"] == 1
        and c["in_muv3"] == 1
        and c["eop"] < PION_EOP
        and c["muon"] == 0
    )


@inline
def is_electron(c: Any) -> bool:
    """One track that is an electron by its ring and its energy."""
    return bool(
        ELECTRON_RING_GEV2[0] < c["ring_m2_gev2"] < ELECTRON_RING_GEV2[1]
        and ELECTRON_EOP[0] < c["eop"] < ELECTRON_EOP[1]
        and c["muon"] == 0
    )


@inline
def is_muon(c: Any) -> bool:
    """One track that is a muon: hits behind the iron, little energy in front of it."""
    return bool(c["muon"] == 1 and c["in_lkr"] == 1 and c["eop"] < MUON_EOP)


@inline
def tracks_of_kaon(c: Any) -> bool:
    """Three or five tracks of one vertex whose charges add up to the kaon's."""
    return bool(c["charge"] == 1 and TRACKS_Z_MM[0] < c["z_mm"] < TRACKS_Z_MM[1] and c["cda_mm"] < CDA_MM)


@inline
def whole(c: Any) -> bool:
    """The tracks have all of the kaon's momentum."""
    return bool(BEAM_GEV[0] < c["p_total_gev"] < BEAM_GEV[1] and c["pt_gev"] < PT_GEV)


@inline
def ring_of_electron(c: Any, track: int) -> bool:
    """One of several tracks has the ring of an electron."""
    return bool(ELECTRON_RING_GEV2[0] < c["ring_m2_gev2"][track] < ELECTRON_RING_GEV2[1])


@inline
def electron(c: Any, track: int) -> bool:
    """One of three tracks is an electron by its energy, or, if it misses the LKr as slow ones do, by its ring."""
    eop = c["eop"][track]
    return bool(ELECTRON_EOP[0] < eop < ELECTRON_EOP[1] or (eop == 0.0 and ring_of_electron(c, track)))


@inline
def pion(c: Any, track: int) -> bool:
    """One of three tracks is no electron, by its energy and its ring, and no muon."""
    return bool(c["eop"][track] < PION_EOP and c["muon"][track] == 0 and not ring_of_electron(c, track))


@inline
def muon(c: Any, track: int) -> bool:
    """One of several tracks is a muon."""
    return bool(c["muon"][track] == 1 and c["eop"][track] < MUON_EOP)


@inline
def pion_and_electrons(c: Any) -> bool:
    """Five tracks that are a pion and electrons, two at least by their energy, with all of the kaon's momentum."""
    others = electrons = 0
    for track in range(1, 5):
        eop = c["eop"][track]
        electrons += int(ELECTRON_EOP[0] < eop < ELECTRON_EOP[1])
        others += int(0.0 < eop < ELECTRON_EOP[0] or c["muon"][track] == 1)
    return bool(
        electrons >= LEAST_ELECTRONS
        and others == 0
        and c["eop"][0] < PION_EOP
        and c["muon"][0] == 0
        and abs(c["m_pi4e_gev"] - M_KAON_GEV) < KAON_4E_GEV
        and tracks_of_kaon(c)
        and whole(c)
    )


@inline
def equal_pairs(c: Any) -> int:
    """Way to make two pairs (`m_pair_gev`) whose masses are most alike, -1 if they are not near each other."""
    m = c["m_pair_gev"]
    first, second = abs(m[0][0] - m[0][1]), abs(m[1][0] - m[1][1])
    k = 0 if first <= second else 1
    return k if min(first, second) < PAIRS_GEV else -1
