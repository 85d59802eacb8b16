"""Checks of the form of a spill file: `validate` reports all that fail, the reader refuses the file at the first."""

from __future__ import annotations

import os
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
from numpy.typing import NDArray

from streams.regular import not_regular
from streams.spill import layout
from streams.spill.layout import SpillHeader
from streams.spill.problem import FILE, Finding, Problem, Scope
from trigger import order as frame_order
from trigger.frames import FrameError, FrameStream, Offsets

PATH: Final[Scope[[Path]]] = Scope("file")
HEADER: Final[Scope[[Mapping[str, Any]]]] = Scope("header")
GROUP: Final[Scope[[str, object]]] = Scope("spill")
NAMES: Final[Scope[[Sequence[str]]]] = Scope("spill")
ARRAY: Final[Scope[[str, object, np.dtype[Any]]]] = Scope("detector")
LENGTHS: Final[Scope[[str, Mapping[str, int], SpillHeader]]] = Scope("detector")
INTENSITY: Final[Scope[[str, NDArray[np.float32], Mapping[str, Any], SpillHeader]]] = Scope("spill")
PARTS: Final[Scope[[Collection[str], Collection[str]]]] = Scope("spill")
DESCRIPTION: Final[Scope[[str, Mapping[str, Any]]]] = Scope("spill")
ENDS: Final[Scope[[str, tuple[int, int], int]]] = Scope("detector")
OFFSETS: Final[Scope[[str, int, Offsets, int]]] = Scope("block")
CHECKSUM: Final[Scope[[str, int, Offsets, NDArray[Any], int]]] = Scope("block")
STREAM: Final[Scope[[str, FrameStream]]] = Scope("block")

# Who opens or reads a part makes all checks of its scope, with `Scope.problems`. The reader does so for a block only
# when a quick look says that it is bad.

REWRITE: Final = "write the file again"
COPY: Final = "copy the file again"
ANOTHER: Final = "give a spill file"


@PATH.check()
def readable(path: Path) -> Iterator[Finding]:
    """The file is a regular one that can be opened, and HDF5 can read every part of it."""
    try:
        if what := not_regular(path):
            yield FILE, f"is {what}", ANOTHER
            return
        with path.open("rb"):
            hdf5 = h5py.is_hdf5(path)
    except OSError as wrong:
        # The text of h5py is of several lines.
        what = os.strerror(wrong.errno) if wrong.errno else " ".join(str(wrong).split())
        yield FILE, what, "give a spill file that can be read"
        return
    if not hdf5:
        yield FILE, "is not an HDF5 file, or its beginning is damaged", ANOTHER


def unreadable(place: str, what: str, remedy: str) -> Problem:
    """Make the problem that `readable` has with a part of the file."""
    return Problem(readable.__name__, "error", place, what, remedy)


@HEADER.check()
def format(attributes: Mapping[str, Any]) -> Iterator[Finding]:  # noqa: A001
    """The file says that it is a spill, in a version of the format that this ktrig reads."""
    found = layout.attribute_text(attributes.get("format"))
    if found != layout.FORMAT:
        what = f"is not a ktrig spill file (its attribute format is not {layout.FORMAT!r})"
        yield FILE, what, ANOTHER
        return
    version = attributes.get("version")
    if not isinstance(version, np.integer) or version != layout.VERSION:
        what = f"has format version {layout.shown(version)}; this ktrig reads version {layout.VERSION}"
        yield FILE, what, "use a ktrig that fits"


@HEADER.check()
def attributes(attributes: Mapping[str, Any]) -> Iterator[Finding]:
    """Each attribute of the root is there and of its type, and the provenance is JSON."""
    for name, what in layout.attribute_problems(attributes):
        yield f"attribute {name}", what, REWRITE


@GROUP.check()
def groups(place: str, item: object) -> Iterator[Finding]:
    """`/primitives` and each detector in it are groups, and not links to elsewhere."""
    if not isinstance(item, h5py.Group):
        yield place, "is not a group, or not there", REWRITE


@NAMES.check()
def names(detectors: Sequence[str]) -> Iterator[Finding]:
    """The names of the detectors can be printed: reports and metrics show them."""
    for name in detectors:
        if not name.isprintable():
            yield f"/{layout.PRIMITIVES}", f"has the name {name!r}", "rename that detector"


@DESCRIPTION.check()
def descriptions(place: str, attributes: Mapping[str, Any]) -> Iterator[Finding]:
    """`/readout` and `/truth` say what they are: the hit menu and its windows, the decays kept and their modes."""
    for name in layout.GROUP_ATTRIBUTES[place]:
        if what := layout.description_problem(name, attributes.get(name)):
            yield f"/{place} attribute {name}", what, REWRITE


@INTENSITY.check()
def intensity(
    place: str, cells: NDArray[np.float32], attributes: Mapping[str, Any], header: SpillHeader
) -> Iterator[Finding]:
    """The simulated intensity is the one that was written, in cells that cover the frames."""
    per_cell = attributes.get("cell_frames")
    if not isinstance(per_cell, np.integer) or per_cell < 1:
        yield f"{place} attribute cell_frames", f"is {layout.shown(per_cell)}, but must be 1 or more", REWRITE
    elif len(cells) != -(-header.n_frames // int(per_cell)):
        yield place, f"has {len(cells)} cells of {per_cell} frames for {header.n_frames} frames", REWRITE
    elif attributes.get("crc32") != zlib.crc32(cells.view(np.uint8).data):
        yield place, "is not as it was written: the CRC-32 differs", COPY


@PARTS.check()
def parts(there: Collection[str], windows: Collection[str]) -> Iterator[Finding]:
    """What belongs together is there: the readout with hits and records, its windows, both parts of the truth."""
    hits = [name.removeprefix("hits/") for name in there if name.startswith("hits/")]
    read_out = [*hits, *(window for kind, window in layout.RECORD_WINDOWS.items() if kind in there)]
    if read_out and layout.READOUT not in there:
        yield "/readout", f"is not there, but {', '.join(read_out)}", REWRITE
    elif missing := [name for name in read_out if name not in windows]:
        yield "/readout attribute windows", f"has none of {', '.join(missing)}", REWRITE
    if layout.TRUTH in there:
        for name in ("truth/decays", "truth/particles", f"truth/{layout.INTENSITY}"):
            if name not in there:
                yield f"/{name}", "is not there, but /truth is", REWRITE


@ARRAY.check()
def arrays(place: str, dataset: object, dtype: np.dtype[Any]) -> Iterator[Finding]:
    """Each array is there, of its type, uncompressed, and the file holds all of it: a length can be believed."""
    if not isinstance(dataset, h5py.Dataset):
        yield place, "is not an array, or not there", REWRITE
        return
    if dataset.ndim != 1 or dataset.dtype != dtype:
        yield place, f"is {dataset.dtype}{list(dataset.shape or ())}, not {dtype}[n]", REWRITE
        return
    properties = dataset.id.get_create_plist()
    if properties.get_nfilters() or properties.get_layout() == h5py.h5d.VIRTUAL:
        yield place, "is compressed or virtual", "write it plain"
    elif properties.get_external_count() or dataset.id.get_storage_size() < dataset.nbytes:
        yield place, f"says that it has {dataset.shape[0]} elements, but the file does not hold them", REWRITE


@LENGTHS.check()
def lengths(place: str, found: Mapping[str, int], header: SpillHeader) -> Iterator[Finding]:
    """There is one offset more than frames, and one checksum for each block."""
    for name, wanted in ((layout.OFFSETS, header.n_frames + 1), (layout.CRC32, header.n_blocks)):
        if found[name] != wanted:
            what = f"has {found[name]} elements, not {wanted} as the header says"
            yield f"{place}/{name}", what, REWRITE


@ENDS.check()
def ends(place: str, found: tuple[int, int], n_words: int) -> Iterator[Finding]:
    """The offsets run from 0 to the number of words: no word belongs to no frame."""
    if found != (0, n_words):
        what = f"runs from {found[0]} to {found[1]}, not from 0 to the {n_words} words"
        yield f"{place}/{layout.OFFSETS}", what, REWRITE


@OFFSETS.check()
def offsets(place: str, first_frame: int, offsets: Offsets, n_words: int) -> Iterator[Finding]:
    """No offset is smaller than the one before it, and none leaves the words."""
    falls = np.flatnonzero(offsets[1:] < offsets[:-1])
    if falls.size:
        yield f"{place} frame {first_frame + int(falls[0])}", "offsets fall", COPY
    elif offsets[0] < 0 or offsets[-1] > n_words:
        frames = f"{place} frames {first_frame} to {first_frame + len(offsets) - 2}"
        yield frames, f"hold words {offsets[0]} to {offsets[-1]} of {n_words}", COPY


@CHECKSUM.check()
def checksum(
    place: str, first_frame: int, offsets: Offsets, values: NDArray[Any], crc32: int
) -> Iterator[Finding]:
    """The words or records of each block, and its offsets, are those that were written."""
    found = layout.block_crc32(values, offsets)
    if found != crc32:
        frames = f"{place} frames {first_frame} to {first_frame + len(offsets) - 2}"
        yield frames, f"the CRC-32 is {found:#010x}, not {crc32:#010x} as written", COPY


@STREAM.check()
def order(place: str, stream: FrameStream) -> Iterator[Finding]:
    """Inside a frame no time is earlier than the one before it: the L0 processor relies on it."""
    try:
        frame_order.check(stream)
    except FrameError as wrong:
        frame, _, what = str(wrong).partition(": ")
        yield f"{place} {frame}", what, REWRITE
