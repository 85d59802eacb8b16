"""The beam track of a trigger: the one matched to a decay, or the nearest in time, or the beam's axis."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from trigger.clock import LSB_NS
from trigger.jit import inline
from trigger.l1.straw.geometry import BEAM_DX_DZ, BEAM_X_MM, MAGNET_MM
from trigger.l1.window import since_lsb
from trigger.reconstruct.candidates import MATCHED, NEAREST, NOMINAL
from trigger.reconstruct.detectors import BEAM_GEV, GTK3_MM

_FAR_LSB: Final = 1 << 16
"""More than any time in a window."""


@inline
def choose_beam(beam: Any, begin: int, end: int, time_lsb: int, event: Any) -> None:
    """Set the beam of an event from the beam tracks in time, those from begin to end."""
    best, best_source, nearest = -1, NOMINAL, _FAR_LSB
    for i in range(begin, end):
        source = MATCHED if beam[i]["matched"] != 0 else NEAREST
        off = abs(since_lsb(int(beam[i]["time"]), time_lsb))
        if source > best_source or (source == best_source and off < nearest):
            best, best_source, nearest = i, source, off
    event["beam"] = best_source
    if best < 0:
        event["beam_p_gev"], event["beam_dt_ns"] = BEAM_GEV, np.nan
        event["beam_dx_dz"], event["beam_dy_dz"] = BEAM_DX_DZ, 0.0
        event["beam_x_mm"], event["beam_y_mm"] = BEAM_X_MM, 0.0
        return
    track = beam[best]
    dx_dz, dy_dz = np.float64(track["dx_dz"]), np.float64(track["dy_dz"])
    event["beam_p_gev"] = track["p_gev"]
    event["beam_dt_ns"] = since_lsb(int(track["time"]), time_lsb) * LSB_NS
    event["beam_dx_dz"], event["beam_dy_dz"] = dx_dz, dy_dz
    event["beam_x_mm"] = np.float64(track["x_mm"]) + dx_dz * (MAGNET_MM - GTK3_MM)
    event["beam_y_mm"] = np.float64(track["y_mm"]) + dy_dz * (MAGNET_MM - GTK3_MM)
