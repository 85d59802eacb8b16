"""What is measured of an event, before any mass is taken: a record for it, a record for each track.

All numbers are 64 bits wide. Scratch of the kernels; no search sees them.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import from_dtype

EVENT: Final = np.dtype(
    [
        ("event", "<i8"),
        ("n_tracks", "<i8"),
        ("beam", "<i8"),
        ("beam_dt_ns", "<f8"),
        ("beam_p_gev", "<f8"),
        ("beam_dx_dz", "<f8"),
        ("beam_dy_dz", "<f8"),
        ("beam_x_mm", "<f8"),
        ("beam_y_mm", "<f8"),
        ("kaon_sectors", "<i8"),
        ("lav_hits", "<i8"),
        ("small_angle_hits", "<i8"),
        ("n_photons", "<i8"),
        ("photons_gev", "<f8"),
        ("gev_1", "<f8"),
        ("x_1_mm", "<f8"),
        ("y_1_mm", "<f8"),
        ("gev_2", "<f8"),
        ("x_2_mm", "<f8"),
        ("y_2_mm", "<f8"),
    ]
)
"""event: place in the block. beam: see `candidates`; its line has its position at the magnet's centre, as if there
were no field. gev_1, gev_2: energies of the first and the second photon in the order of energy, 0 for none, and the
positions of their clusters."""

TRACK: Final = np.dtype(
    [
        ("charge", "<i8"),
        ("p_gev", "<f8"),
        ("px_gev", "<f8"),
        ("py_gev", "<f8"),
        ("pz_gev", "<f8"),
        ("dx_dz", "<f8"),
        ("dy_dz", "<f8"),
        ("x_mm", "<f8"),
        ("y_mm", "<f8"),
        ("dx_dz_after", "<f8"),
        ("x_mm_after", "<f8"),
        ("x_lkr_mm", "<f8"),
        ("y_lkr_mm", "<f8"),
        ("in_lkr", "<i8"),
        ("in_muv3", "<i8"),
        ("muon", "<i8"),
        ("cluster_gev", "<f8"),
        ("ring_mm", "<f8"),
        ("ring_m2_gev2", "<f8"),
    ]
)
"""Momentum in front of the magnet. dx_dz, x_mm: in front of it; y_mm and dy_dz: on both sides; positions at its
centre. x_lkr_mm, y_lkr_mm: where it reaches the LKr. cluster_gev: 0 without a cluster. ring_mm, ring_m2_gev2: NaN
without a ring."""

EVENT_T: Final = from_dtype(EVENT)
TRACKS_T: Final = from_dtype(TRACK)[::1]
"""numba's types of an event and of its tracks."""
