"""The resolution of the STRAW spectrometer, for tracks that are not reconstructed from hits.

sigma(p)/p = 0.30% (+) 0.005% p and an angle of 0.58 mrad/p (+) 17 urad in each projection, p in GeV/c: with the
GTK's 0.2% and 16 urad this gives the published widths of missing masses (sigma(m2_miss) of K+ -> pi+ pi0: 1.0e-3
GeV^2).
"""

from __future__ import annotations

from typing import Final

import numpy as np

from trigger.reconstruct.kinematics import Floats, momenta

MOMENTUM: Final = 0.0030
MOMENTUM_PER_GEV: Final = 0.00005
ANGLE_GEV: Final = 0.58e-3
ANGLE: Final = 17e-6


def measured_tracks(p: Floats, rng: np.random.Generator) -> Floats:
    """Return momenta (float64[n, 3], GeV) as the spectrometer measures them."""
    size = np.sqrt((p**2).sum(axis=-1))
    angle = np.hypot(ANGLE_GEV / size, ANGLE)
    factor = 1.0 + np.hypot(MOMENTUM, MOMENTUM_PER_GEV * size) * rng.standard_normal(len(p))
    dx_dz = p[:, 0] / p[:, 2] + angle * rng.standard_normal(len(p))
    dy_dz = p[:, 1] / p[:, 2] + angle * rng.standard_normal(len(p))
    return momenta(size * factor, dx_dz, dy_dz)
