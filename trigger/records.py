"""Objects richer than a hit: structured records with the same frame offsets as the streams of words.

All of them begin with `time`, LSB since their frame began. Lengths in mm, slopes dx/dz and dy/dz, energies and
momenta in GeV. Coordinates: z along the beam line from the target, y up, x to the left seen along z.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from trigger.clock import FRAME_BITS
from trigger.frames import Offsets

Records = NDArray[np.void]

TIME: Final = ("time", "<u2")

BEAM: Final = np.dtype(
    [
        TIME,
        ("matched", "<u2"),
        ("p_gev", "<f4"),
        ("dx_dz", "<f4"),
        ("dy_dz", "<f4"),
        ("x_mm", "<f4"),
        ("y_mm", "<f4"),
    ]
)
"""A beam track of the GTK, as measured: momentum, slopes, and position in the last station. matched: 1 for the track
that the experiment's matching (KTAG, GTK and STRAW in time and space) would give to a decay, 0 for another one; the
matching is a parametrisation, see docs/simulation.md."""

CLUSTER: Final = np.dtype([TIME, ("n_cells", "<u2"), ("energy_gev", "<f4"), ("x_mm", "<f4"), ("y_mm", "<f4")])
"""A cluster of the electromagnetic calorimeter, position on its front."""

RING: Final = np.dtype([TIME, ("n_hits", "<u2"), ("radius_mm", "<f4"), ("x_mm", "<f4"), ("y_mm", "<f4")])
"""A ring of the RICH in its focal plane: radius, centre."""

READOUT: Final = np.dtype([TIME, ("flags", "<u2"), ("word", "<u2"), ("gtk_hits", "<u2", (3,))])
"""A trigger of the hit menu whose readout windows are in the file: L0 flags and word as the processor gives them,
and the hits in each GTK station within the GTK window."""

DECAY: Final = np.dtype(
    [
        TIME,
        ("mode", "<u2"),
        ("fired", "<u2"),
        ("wrong_beam", "<u1"),
        ("n_particles", "<u1"),
        ("first_particle", "<i8"),
        ("pdg", "<i4"),
        ("vertex_mm", "<f4", (3,)),
        ("p_gev", "<f4", (3,)),
    ]
)
"""A simulated decay. mode: place in the list of modes in the attributes of /truth. fired: bit i if it made a hit in
the detector at L0 input i. wrong_beam: 1 if the matched beam track is not its own. pdg, p_gev: of the particle that
decayed, at the vertex. Its products are the particles from first_particle on, n_particles of them."""

PARTICLE: Final = np.dtype(
    [TIME, ("mother", "<i2"), ("pdg", "<i4"), ("vertex_mm", "<f4", (3,)), ("p_gev", "<f4", (3,))]
)
"""A product of a simulated decay. time: of its decay. mother: place among the products of the same decay, -1 for the
decayed particle itself. vertex_mm, p_gev: where it began."""

KINDS: Final = {
    "beam": BEAM, "clusters": CLUSTER, "rings": RING, "readout": READOUT, "truth/decays": DECAY,
    "truth/particles": PARTICLE,
}  # fmt: skip
"""Every kind of record by its place in a spill file."""


@dataclass(frozen=True)
class RecordStream:
    """Records of one kind in the frames from `first_frame` on, sorted by time inside a frame.

    offsets: int64[n_frames + 1], starting at 0. records: structured[offsets[-1]] of a dtype of KINDS.
    """

    first_frame: int
    offsets: Offsets
    records: Records

    @property
    def n_frames(self) -> int:
        """Number of frames covered, empty ones included."""
        return len(self.offsets) - 1

    @property
    def stop_frame(self) -> int:
        """The first frame after the stream."""
        return self.first_frame + self.n_frames

    def times_lsb(self) -> NDArray[np.int64]:
        """Time of each record in LSB since SOB: int64[n]."""
        frames = np.repeat(np.arange(self.first_frame, self.stop_frame), np.diff(self.offsets))
        return np.asarray((frames << FRAME_BITS) + self.records["time"], np.int64)
