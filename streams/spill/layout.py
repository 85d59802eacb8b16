"""The spill file: its names, its attributes, its checksum.

An HDF5 file, one a spill. The root has the attributes of `SpillHeader` as `to_attributes` gives them. Each
detector is a group `/primitives/DETECTOR` with three arrays, chunked and uncompressed:

offsets  int64[n_frames + 1]  from 0 to the number of words
words    uint32[n]            `(id16 << 16) | time16`, see `trigger.frames`
crc32    uint32[n_blocks]     of each run of `block_frames` frames; the last run may be shorter

What L1 and the monitors read is optional. `/hits/DETECTOR` has the form of a detector's primitives. `/beam`,
`/clusters`, `/rings`, `/readout`, `/truth/decays` and `/truth/particles` have `records` of a kind of
`trigger.records` in place of words. `/readout` and `/truth` say in their attributes what was read out, and which
decays were simulated.

Everything else in the file is written in the forms of HDF5 1.10 that carry checksums of their own, and text
attributes have a fixed length for the same reason; so a flipped bit anywhere in what is read shows.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from trigger.errors import KtrigError
from trigger.frames import BLOCK_FRAMES, Offsets
from trigger.records import KINDS

FORMAT: Final = "ktrig-spill"
VERSION: Final = 1

PRIMITIVES: Final = "primitives"
OFFSETS: Final = "offsets"
WORDS: Final = "words"
CRC32: Final = "crc32"
RECORDS: Final = "records"
HITS: Final = "hits"
TRUTH: Final = "truth"
READOUT: Final = "readout"
INTENSITY: Final = "intensity_mhz"
"""Member of /truth: float32, intensity of the beam in cells of `cell_frames` frames."""

COLUMNS: Final[dict[str, Any]] = {OFFSETS: np.int64, WORDS: np.uint32, CRC32: np.uint32}
"""Arrays of a stream of words."""


def record_columns(kind: str) -> dict[str, Any]:
    """Return the arrays of a stream of records: name -> type."""
    return {OFFSETS: np.int64, RECORDS: KINDS[kind], CRC32: np.uint32}


HIT_DETECTORS: Final = ("KTAG", "CHOD", "NewCHOD", "LAV", "IRCSAC", "STRAW", "MUV3")
"""Detectors whose hits L1 reads."""

RECORD_WINDOWS: Final = {"beam": "GTK", "clusters": "LKr", "rings": "RICH"}
"""Records that lie in readout windows, and whose."""

ALL_WINDOWS: Final = (*HIT_DETECTORS, *RECORD_WINDOWS.values())
"""Every window that a readout can have."""

GROUP_ATTRIBUTES: Final = {
    READOUT: ("menu", "menu_hash", "windows"),
    TRUTH: ("kept", "modes"),
    INTENSITY: ("cell_frames", "crc32"),
}
"""Attributes of the optional parts. windows: JSON, detector -> [begin, end] in ns. modes: JSON, a list of objects."""


WORDS_CHUNK: Final = 65_536
"""Words in a chunk, 256 KiB: about a block of a 10 MHz detector. A quarter of it reads 15% slower."""
CHUNKS: Final = {OFFSETS: 8 * BLOCK_FRAMES, WORDS: WORDS_CHUNK, RECORDS: 8192, CRC32: 1024, INTENSITY: 8192}
"""Elements in a chunk of each array."""

_INT64_MAX: Final = 2**63 - 1
_INTEGERS: Final = ("run", "burst", "sob_unix_ns", "n_frames", "block_frames")
_TEXTS: Final = ("experiment", "provenance")
ATTRIBUTES: Final = ("format", "version", *_TEXTS, *_INTEGERS, "simulated")
"""Attributes of the root."""


class SpillError(KtrigError):
    """A spill file that cannot be written, or that is not what it should be."""


@dataclass(frozen=True)
class SpillHeader:
    """What a spill is: the attributes of its file.

    sob_unix_ns: start of burst, ns since 1970 UTC, 0 if not known. provenance: where the primitives come
    from, anything that JSON can hold. block_frames: frames under one checksum.
    """

    experiment: str
    run: int
    burst: int
    sob_unix_ns: int
    n_frames: int
    simulated: bool
    provenance: dict[str, Any]
    block_frames: int = BLOCK_FRAMES

    @property
    def n_blocks(self) -> int:
        """Number of checksums of a detector."""
        return -(-self.n_frames // self.block_frames)

    def to_attributes(self) -> dict[str, Any]:
        """Return the attributes as HDF5 values. Raises SpillError if one cannot be written."""
        attributes: dict[str, Any] = {"format": fixed(FORMAT), "version": np.int64(VERSION)}
        attributes["experiment"] = fixed(self.experiment)
        for name in _INTEGERS:
            value = getattr(self, name)
            if not isinstance(value, int | np.integer) or not 0 <= value <= _INT64_MAX:
                raise SpillError(f"{name} is {value!r}; it must be a whole number, 0 to 2^63 - 1")
            attributes[name] = np.int64(value)
        attributes["simulated"] = np.bool_(self.simulated)
        try:
            provenance = json.dumps(self.provenance, sort_keys=True, allow_nan=False)
        except (TypeError, ValueError) as wrong:
            raise SpillError(f"provenance cannot be written as JSON: {wrong}") from None
        attributes["provenance"] = fixed(provenance)
        for name, what in attribute_problems(attributes):
            raise SpillError(f"{name} {what}")
        return attributes

    @classmethod
    def from_attributes(cls, attributes: Mapping[str, Any]) -> SpillHeader:
        """Make it of the root attributes of a file, with which `attribute_problems` finds nothing wrong."""
        return cls(
            experiment=attribute_text(attributes["experiment"]),
            **{name: int(attributes[name]) for name in _INTEGERS},
            simulated=bool(attributes["simulated"]),
            provenance=json.loads(attribute_text(attributes["provenance"])),
        )


def attribute_problems(attributes: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (attribute, what is wrong) for all but format and version, which say what the others mean."""
    for name in (*_TEXTS, *_INTEGERS, "simulated"):
        if name not in attributes:
            yield name, "is missing"
        elif what := _value_problem(name, attributes[name]):
            yield name, what


def _value_problem(name: str, value: Any) -> str | None:
    if name in _INTEGERS:
        least = 1 if name == "block_frames" else 0
        if not isinstance(value, np.integer) or not least <= value <= _INT64_MAX:
            return f"is {shown(value)}, but must be a whole number of at least {least}"
    elif name == "simulated":
        if not isinstance(value, np.bool_):
            return f"is {shown(value)}, but must be true or false"
    elif not attribute_text(value):
        return f"is {shown(value)}, but must be text"
    elif name == "experiment" and not attribute_text(value).isprintable():
        return f"is {shown(value)}, but must be a name that can be printed"
    elif name == "provenance":
        return _json_problem(attribute_text(value))
    return None


def _json_problem(text: str) -> str | None:
    try:
        value = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as wrong:
        return f"is not JSON: {wrong}"
    return None if isinstance(value, dict) else "is JSON but not an object, {...}"


def description_problem(name: str, value: Any) -> str | None:
    """Say what is wrong with an attribute of /readout or /truth; None if it is right."""
    text = attribute_text(value)
    if not text:
        return f"is {shown(value)}, but must be text"
    try:
        if name == "windows":
            windows = json.loads(text)
            if not all(isinstance(low, int | float) and low < high for low, high in windows.values()):
                return "has a window whose begin is not before its end"
        elif name == "modes":
            for mode in json.loads(text):
                if not all(isinstance(mode[key], kind) for key, kind in MODE.items()):
                    return "has a mode without name, parent and numbers of decays"
    except (ValueError, TypeError, KeyError, AttributeError):
        return f"is {shown(text)}, which is not what it should be"
    return None


MODE: Final = {"name": str, "parent": str, "generated": int, "generated_fiducial": int}
"""What each of the modes in the attributes of /truth has at least."""


def _refuse(constant: str) -> None:
    raise ValueError(f"it has {constant}")


def shown(value: Any) -> str:
    """Write a value of an attribute in one line, not too long."""
    plain = value.item() if isinstance(value, np.generic) else value
    text = " ".join(repr(plain).split())
    return text if len(text) <= 40 else text[:37] + "..."


def fixed(value: str) -> np.bytes_:
    """Return text as an attribute of fixed length."""
    return np.bytes_(value.encode("utf-8", "replace"))


def attribute_text(value: Any) -> str:
    """Text of an attribute, of fixed or variable length; '' if it is not text."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) else ""


def block_crc32(values: NDArray[Any], offsets: Offsets) -> int:
    """CRC-32 of a block: of the bytes of its words or records, continued over its offsets counted from 0 (int64)."""
    return zlib.crc32(offsets.data, zlib.crc32(values.view(np.uint8).data))
