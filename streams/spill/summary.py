"""What a person wants to know first of a spill file, without reading its words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from streams.spill.reader import SpillReader
from trigger.clock import FRAME_S, seconds


@dataclass(frozen=True)
class DetectorSummary:
    """Primitives of a detector; times in s since SOB, None if there are no primitives.

    rate_hz: mean rate from the first to the last primitive, which have n - 1 intervals between them; None
    if that is no time.
    """

    primitives: int
    rate_hz: float | None
    first_s: float | None
    last_s: float | None


def detector_summary(reader: SpillReader, detector: str) -> DetectorSummary:
    """Summarise one detector of an open file."""
    n = reader.primitives_per_detector[detector]
    span = reader.time_span(detector)
    if span is None:
        return DetectorSummary(n, None, None, None)
    first_s, last_s = seconds(span[0]), seconds(span[1])
    rate_hz = (n - 1) / (last_s - first_s) if last_s > first_s else None
    return DetectorSummary(n, rate_hz, first_s, last_s)


def sob_utc(sob_unix_ns: int) -> str | None:
    """Write the start of burst to the ns, as `2018-05-13 12:34:56.000000000 UTC`; None if it is not known."""
    if sob_unix_ns == 0:
        return None
    whole, ns = divmod(sob_unix_ns, 1_000_000_000)
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%d %H:%M:%S}.{ns:09d} UTC"


def summary(reader: SpillReader) -> dict[str, Any]:
    """Summarise an open file as one JSON object."""
    header = reader.header
    return {
        "file": str(reader.path),
        "experiment": header.experiment,
        "run": header.run,
        "burst": header.burst,
        "sob_unix_ns": header.sob_unix_ns,
        "sob_utc": sob_utc(header.sob_unix_ns),
        "simulated": header.simulated,
        "n_frames": header.n_frames,
        "duration_s": header.n_frames * FRAME_S,
        "size_bytes": reader.path.stat().st_size,
        "detectors": {name: vars(detector_summary(reader, name)) for name in reader.detectors},
        "provenance": header.provenance,
        **_extras(reader),
    }


def _extras(reader: SpillReader) -> dict[str, Any]:
    """Summarise hits, records, readout and truth; nothing of what is not there."""
    parts = reader.optional
    found: dict[str, Any] = {}
    if parts.hits:
        found["hits"] = {name: len(stream) for name, stream in parts.hits.items()}
    if parts.records:
        found["records"] = {kind: len(stream) for kind, stream in parts.records.items()}
    if parts.readout is not None:
        windows = {name: list(window) for name, window in parts.readout.windows.items()}
        found["readout"] = {"menu": parts.readout.menu, "windows_ns": windows}
    if parts.truth is not None:
        found["truth"] = {"kept": parts.truth.kept, "modes": list(parts.truth.modes)}
    return found
