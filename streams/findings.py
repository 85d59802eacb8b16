"""What L1 finds for the monitors: entries of the spectra, and the beam's hits in the GTK."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streams.wire.message import MalformedMessage, Message
from trigger.clock import LSB_NS
from trigger.intensity.bins import BIN_S

UNKNOWN_HITS: Final = 0xFFFF
"""GTK hits of an event that is not read out."""


@dataclass(frozen=True)
class Findings:
    """What came up since the answer before.

    search, value: entries of accepted events, uint8[n] (place in `searches.catalogue`), float32[n] (observable).
    gtk_bin: bins of time since SOB, int64[k]; gtk_events, gtk_hits, gtk_squares: events in them, the sum of their
    hits in the three stations, and of its squares, int64[k].
    """

    search: NDArray[np.uint8]
    value: NDArray[np.float32]
    gtk_bin: NDArray[np.int64]
    gtk_events: NDArray[np.int64]
    gtk_hits: NDArray[np.int64]
    gtk_squares: NDArray[np.int64]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays for a message."""
        return {f"found.{name}": array for name, array in vars(self).items()}

    @classmethod
    def of(cls, message: Message) -> Findings | None:
        """Read them back, None if the message has none. Raises MalformedMessage."""
        if "found.search" not in message.arrays:
            return None
        found: dict[str, NDArray[Any]] = {}
        for field in fields(cls):
            array = message.arrays.get(f"found.{field.name}")
            dtype, like = _FIELDS[field.name]
            if array is None or array.dtype != dtype or len(array) != len(found.get(like, array)):
                raise MalformedMessage(
                    f"triggers: array found.{field.name} must be {dtype}, as long as {like}"
                )
            found[field.name] = array
        return cls(**found)


_FIELDS: Final = {
    "search": (np.dtype(np.uint8), "search"),
    "value": (np.dtype(np.float32), "search"),
    **dict.fromkeys(("gtk_bin", "gtk_events", "gtk_hits", "gtk_squares"), (np.dtype(np.int64), "gtk_bin")),
}
"""Type of each array, and the one that it is as long as."""


class FindingsBook:
    """Collects findings until they are taken."""

    def __init__(self) -> None:
        self._entries: list[tuple[NDArray[np.uint8], NDArray[np.float32]]] = []
        self._gtk: list[NDArray[np.int64]] = []

    def add(self, search: NDArray[np.uint8], value: NDArray[np.float32]) -> None:
        """Add entries; the arrays must not change."""
        self._entries.append((search, value))

    def add_gtk(self, times_lsb: NDArray[np.int64], hits: NDArray[np.uint16]) -> None:
        """Add the GTK hits of events in order of time: int64[n], uint16[n]; UNKNOWN_HITS are left out."""
        known = hits != UNKNOWN_HITS
        if not known.any():
            return
        bins = (times_lsb[known] * (LSB_NS * 1e-9 / BIN_S)).astype(np.int64)
        number = hits[known].astype(np.int64)
        first = int(bins[0])
        events = np.bincount(bins - first)
        sums = [np.bincount(bins - first, n).astype(np.int64) for n in (number, number**2)]
        self._gtk.append(np.stack([first + np.arange(len(events)), events, *sums])[:, events > 0])

    def take(self) -> Findings:
        """Return what was collected, and begin anew."""
        entries, gtk = self._entries, self._gtk
        self._entries, self._gtk = [], []
        search = np.concatenate([np.zeros(0, np.uint8), *(search for search, _value in entries)])
        value = np.concatenate([np.zeros(0, np.float32), *(value for _search, value in entries)])
        return Findings(search, value, *np.concatenate([np.zeros((4, 0), np.int64), *gtk], axis=1))
