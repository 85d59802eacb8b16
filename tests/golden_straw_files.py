"""Golden files of the STRAW algorithm for tests: those that are here, cut and changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

GOLDEN = Path(__file__).parent / "golden_straw"
ONE_TRACK = GOLDEN / "t1-n0.npz"
THREE_TRACKS = GOLDEN / "wide3-n50.npz"

Arrays = dict[str, NDArray[Any]]
OF_STRAWS = ("straw_id", "leading_ns", "trailing_ns")


def arrays(path: Path, n_events: int) -> Arrays:
    """Return the arrays of the first events of a file."""
    with np.load(path) as archive:
        found = {name: archive[name] for name in archive.files}
    n_straws = found["hit_offsets"][n_events]
    cut = {name: array[: n_straws if name in OF_STRAWS else n_events] for name, array in found.items()}
    return cut | {"hit_offsets": found["hit_offsets"][: n_events + 1]}


def write(
    folder: Path,
    path: Path = ONE_TRACK,
    n_events: int = 5,
    change: Callable[[Arrays], object] = lambda _: None,
    name: str | None = None,
) -> Path:
    """Write the first events of a file after a change."""
    changed = {key: array.copy() for key, array in arrays(path, n_events).items()}
    change(changed)
    written = folder / (name or path.name)
    np.savez_compressed(written, **changed)  # type: ignore[arg-type]
    return written
