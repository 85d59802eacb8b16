"""Candidates: what is reconstructed of an event, one record for each event of a kind. Searches look at nothing else.

Momenta, energies and masses in GeV, lengths in mm, times in ns relative to the trigger. What an event does not have
(no ring, no second photon) is NaN in a number and 0 in a count. In front of the magnet the beam axis is that of
`l1.straw.closest`. Windows, radii and thresholds are in `detectors`.

Fields that all kinds have:

event       place of the event in its block
beam        where the beam momentum is from: MATCHED, NEAREST or NOMINAL
beam_p_gev, beam_dt_ns  of the beam track; the nominal momentum and NaN without one
kaon_sectors  sectors of the KTAG with a hit within KTAG_NS of the trigger
lav_hits, small_angle_hits  leading edges of low threshold in LAV2 to LAV11, and in IRC and SAC, within VETO_NS
n_photons   clusters in time, above PHOTON_GEV and farther than PHOTON_MM from where any track arrives
photons_gev  sum of their energies
x_mm, y_mm, z_mm, cda_mm  vertex and distance of closest approach there: of the track and the beam's line (its axis
            without a beam track), or of the tracks (then cda_mm is the root of the mean square distance of the
            tracks from it)
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

NOMINAL, NEAREST, MATCHED = range(3)
"""Where the beam momentum is from: no track in time, the one nearest in time, the one matched to a decay."""

_COMMON: Final = [
    ("event", "<i4"),
    ("beam", "u1"),
    ("kaon_sectors", "u1"),
    ("lav_hits", "<u2"),
    ("small_angle_hits", "<u2"),
    ("n_photons", "<u2"),
    ("photons_gev", "<f4"),
    ("beam_p_gev", "<f4"),
    ("beam_dt_ns", "<f4"),
    ("x_mm", "<f4"),
    ("y_mm", "<f4"),
    ("z_mm", "<f4"),
    ("cda_mm", "<f4"),
]

ONE_TRACK: Final = np.dtype(
    [
        *_COMMON,
        ("charge", "i1"),
        ("muon", "u1"),
        ("in_lkr", "u1"),
        ("in_muv3", "u1"),
        ("p_gev", "<f4"),
        ("eop", "<f4"),
        ("ring_mm", "<f4"),
        ("ring_m2_gev2", "<f4"),
        ("m2_pi_gev2", "<f4"),
        ("m2_mu_gev2", "<f4"),
        ("m2_e_gev2", "<f4"),
        ("m2_beam_pi_e_gev2", "<f4"),
        ("m_gg_gev", "<f4"),
        ("m_pigg_gev", "<f4"),
        ("p_total_gev", "<f4"),
        ("pt_gev", "<f4"),
        ("z_pi0_mm", "<f4"),
    ]
)
"""Events with one track.

charge: of the track. muon: 1 if MUV3 has a hit in time where the track arrives. in_lkr, in_muv3: 1 if it arrives
inside of their acceptance. eop: energy of its cluster over momentum, 0 without one. ring_mm: radius of its ring;
ring_m2_gev2: square of the mass that the ring and the momentum give. m2_pi_gev2, m2_mu_gev2, m2_e_gev2: (P_K - P)^2
with the track as pion, muon, electron; m2_beam_pi_e_gev2: (P_pi - P_e)^2 with the beam particle as pion. Of the
two photons of highest energy, NaN with fewer: m_gg_gev, their invariant mass, from the vertex; m_pigg_gev, with the
track as pion; p_total_gev, momentum of the three along the beam track, pt_gev across it; z_pi0_mm, the vertex that
they have if they are of a pi0.
"""

THREE_TRACKS: Final = np.dtype(
    [
        *_COMMON,
        ("charge", "i1"),
        ("p_gev", "<f4", (3,)),
        ("eop", "<f4", (3,)),
        ("muon", "u1", (3,)),
        ("ring_m2_gev2", "<f4", (3,)),
        ("p_total_gev", "<f4"),
        ("pt_gev", "<f4"),
        ("p_total_g_gev", "<f4"),
        ("pt_g_gev", "<f4"),
        ("m_3pi_gev", "<f4"),
        ("m_mumu_gev", "<f4", (2,)),
        ("m_pimumu_gev", "<f4", (2,)),
        ("m_ee_gev", "<f4", (2,)),
        ("m_piee_gev", "<f4", (2,)),
        ("m_eeg_gev", "<f4", (2,)),
        ("m_pieeg_gev", "<f4", (2,)),
    ]
)
"""Events with three tracks whose charges add up to +1 or -1.

Track 0 is the one of the charge that occurs once; 1 and 2 are the others, 1 of higher momentum. charge: the sum. Of
[2]: entry k takes tracks 0 and 1 + k as the leptons and the other one as the pion. g: the photon of highest energy,
from the vertex; NaN without one. p_total_gev, pt_gev: momentum of the tracks along the beam track and across it;
p_total_g_gev, pt_g_gev: with the photon. Tracks that are near to each other on the LKr may have the same cluster.
"""

FIVE_TRACKS: Final = np.dtype(
    [
        *_COMMON,
        ("charge", "i1"),
        ("p_gev", "<f4", (5,)),
        ("eop", "<f4", (5,)),
        ("muon", "u1", (5,)),
        ("p_total_gev", "<f4"),
        ("pt_gev", "<f4"),
        ("m_4e_gev", "<f4"),
        ("m_pi4e_gev", "<f4"),
        ("m_pair_gev", "<f4", (2, 2)),
    ]
)
"""Events with five tracks whose charges add up to +1 or -1.

Track 0 is the pion: of the charge that occurs three times, the one whose mass with four electrons is nearest to the
kaon's. 1 and 2 are the others of its charge, 3 and 4 those of the other charge, of each two the one of higher
momentum first. p_total_gev, pt_gev: momentum of all along the beam track and across it.
m_pair_gev: [0] of 1 with 3 and 2 with 4, [1] of 1 with 4 and 2 with 3.
"""

KINDS: Final = {"one_track": ONE_TRACK, "three_tracks": THREE_TRACKS, "five_tracks": FIVE_TRACKS}
"""Every kind of candidate by its name."""


class Candidates(NamedTuple):
    """The candidates of a block of events, of each kind in the order of events."""

    one_track: NDArray[np.void]
    three_tracks: NDArray[np.void]
    five_tracks: NDArray[np.void]
