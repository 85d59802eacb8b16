"""Writing a spill file by blocks."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import h5py
import numpy as np
from h5py import h5f, h5fd, h5g, h5p, h5s, h5t
from numpy.typing import NDArray

from streams.spill import layout
from streams.spill.column import hdf5_errors
from streams.spill.extras import SpillExtras
from streams.spill.layout import SpillError, SpillHeader
from streams.spill.reader import open_file
from streams.spill.sink import Sink
from trigger import order
from trigger.frames import BLOCK_FRAMES, Block, FrameError, FrameStream, Offsets, join
from trigger.records import KINDS, RecordStream


def _new_file(sink: Sink) -> h5py.File:
    """Start an HDF5 file without times of writing; the h5py before 3.16 can do that only piece by piece."""
    access = h5p.create(h5p.FILE_ACCESS)
    access.set_libver_bounds(h5f.LIBVER_V110, h5f.LIBVER_V110)
    access.set_fclose_degree(h5f.CLOSE_STRONG)
    access.set_fileobj_driver(h5fd.fileobj_driver, sink)
    creation = h5p.create(h5p.FILE_CREATE)
    creation.set_obj_track_times(False)
    return h5py.File(h5f.create(b"spill", h5f.ACC_TRUNC, fcpl=creation, fapl=access))


def _new_group(parent: h5py.Group, name: str) -> h5py.Group:
    """Make a group without times that keeps its members in the order of their making."""
    creation = h5p.create(h5p.GROUP_CREATE)
    creation.set_obj_track_times(False)
    creation.set_link_creation_order(h5p.CRT_ORDER_TRACKED | h5p.CRT_ORDER_INDEXED)
    return h5py.Group(h5g.create(parent.id, name.encode(), gcpl=creation))


class _Column:
    """An array in the file that grows at its end."""

    def __init__(self, group: h5py.Group, name: str, dtype: Any) -> None:
        dataset = group.create_dataset(
            name,
            shape=(0,),
            maxshape=(None,),
            chunks=(layout.CHUNKS[name],),
            dtype=dtype,
            track_times=False,
        )
        self._id = dataset.id
        self._type = h5t.py_create(np.dtype(dtype))
        self.length = 0

    def append(self, values: NDArray[Any]) -> None:
        n = len(values)
        if n == 0:
            return
        self._id.set_extent((self.length + n,))
        place = self._id.get_space()
        place.select_hyperslab((self.length,), (n,))
        self._id.write(h5s.create_simple((n,)), place, np.ascontiguousarray(values), self._type)
        self.length += n


class _Stream:
    """The three arrays of a stream: offsets, words or records, checksums."""

    def __init__(self, group: h5py.Group, columns: Mapping[str, Any]) -> None:
        self._offsets, self._values, self._crc32 = (_Column(group, *column) for column in columns.items())
        self._checksums: list[int] = []
        self._offsets.append(np.zeros(1, np.int64))

    def append(self, offsets: Offsets, values: NDArray[Any]) -> None:
        """Add one block of the checksum grid."""
        self._checksums.append(layout.block_crc32(values, offsets))
        self._offsets.append(offsets[1:] + self._values.length)
        self._values.append(values)

    def finish(self) -> None:
        self._crc32.append(np.array(self._checksums, np.uint32))


def _is_spill(path: Path) -> bool:
    try:
        with open_file(path) as file, hdf5_errors(str(path), "header"):
            return layout.attribute_text(file.attrs.get("format")) == layout.FORMAT
    except SpillError:
        return False


class SpillWriter:
    """A spill file in the making: a context manager that takes consecutive blocks.

    The file is written as NAME.partial and renamed when the context ends well; after an exception nothing is
    left. It replaces an older spill file of its name, but no other file: entering the context then raises
    SpillError. The same content gives the same bytes, however the caller cut it into blocks.

    detectors: the detectors in the file, in this order. hits, records: what else each block will bring, see
    `SpillExtras`; after the last block `describe` says what they are. sob_unix_ns, provenance, block_frames: see
    `SpillHeader`. Raises SpillError for a value that cannot be written.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        experiment: str,
        run: int,
        burst: int,
        sob_unix_ns: int,
        simulated: bool,
        provenance: dict[str, Any],
        detectors: Sequence[str],
        hits: Sequence[str] = (),
        records: Sequence[str] = (),
        block_frames: int = BLOCK_FRAMES,
    ) -> None:
        self.path = Path(path)
        if not self.path.name:
            raise SpillError(f"{self.path}: is a folder; give the name of the file to write")
        self._partial = self.path.with_name(self.path.name + ".partial")
        self._header = SpillHeader(
            experiment, run, burst, sob_unix_ns, 0, simulated, provenance, block_frames
        )
        self._names = tuple(detectors)
        self._hit_names, self._record_kinds = tuple(hits), tuple(records)
        self._attributes: dict[str, dict[str, str | int]] = {}
        self._block_frames = block_frames
        self._next_frame = 0
        self._pending: list[Block] = []
        self._sink: Sink | None = None
        try:
            self._header.to_attributes()
        except SpillError as wrong:
            raise SpillError(f"{self.path}: {wrong}") from None
        self._check_names()

    def _check_names(self) -> None:
        names = self._names
        wrong = [n for n in names if n in ("", ".") or "/" in n or not n.isprintable() or names.count(n) > 1]
        if wrong or not names:
            what = f"detector {wrong[0]!r} is not a name, or there twice" if wrong else "no detectors"
            raise SpillError(f"{self.path}: {what}; give different names without '/'")

    def _check_path(self) -> None:
        """Refuse to replace what is not ours. Raises OSError if it cannot be looked at."""
        if self.path.exists() and not self.path.is_file():
            raise SpillError(f"{self.path}: is there and is not a regular file; choose another name")
        if self.path.exists() and not _is_spill(self.path):
            raise SpillError(f"{self.path}: is there and is not a spill file; choose another name")

    def __enter__(self) -> SpillWriter:
        try:
            self._check_path()
            self._sink = Sink(self._partial)
        except BlockingIOError:
            raise SpillError(f"{self.path}: is being written by another process; wait for it") from None
        except OSError as wrong:
            raise self._cannot_write(wrong) from None
        self._file = _new_file(self._sink)
        group = _new_group(self._file, layout.PRIMITIVES)
        self._detectors = {name: _Stream(_new_group(group, name), layout.COLUMNS) for name in self._names}
        self._hits: dict[str, _Stream] = {}
        if self._hit_names:
            group = _new_group(self._file, layout.HITS)
            self._hits = {name: _Stream(_new_group(group, name), layout.COLUMNS) for name in self._hit_names}
        if any(kind.startswith(layout.TRUTH) for kind in self._record_kinds):
            _new_group(self._file, layout.TRUTH)
        self._records = {
            kind: _Stream(_new_group(self._file, kind), layout.record_columns(kind))
            for kind in self._record_kinds
        }
        return self

    def write(self, block: Block, extras: SpillExtras | None = None) -> None:
        """Append a block, of any size; its arrays may be reused afterwards. One with extras is a block of the
        checksum grid, or the last.

        Raises SpillError if it does not follow the block before, has not exactly the file's detectors, has a
        stream that is not sorted or does not fit its frames, or if the file cannot be written.
        """
        if self._sink is None:
            raise SpillError(f"{self.path}: is not open for writing; use `with SpillWriter(...)`")
        self._check(block)
        self._append_extras(block, extras or SpillExtras())
        self._next_frame = block.stop_frame
        first = block.first_frame
        while first < block.stop_frame:
            grid_end = first - first % self._block_frames + self._block_frames
            stop = min(grid_end, block.stop_frame)
            piece = block.cut(first, stop)
            self._pending.append(piece if stop == grid_end else _copy(piece))
            if stop == grid_end:
                self._commit()
            first = stop

    def describe(self, place: str, **attributes: str | int) -> None:
        """Set attributes of `readout` or `truth`, see `layout.GROUP_ATTRIBUTES`; written when the file is closed."""
        self._attributes[place] = attributes

    def add_intensity(self, cells_mhz: NDArray[np.float64], cell_frames: int) -> None:
        """Write the intensity of the beam in cells of `cell_frames` frames."""
        group = self._file[layout.TRUTH]
        cells = cells_mhz.astype(np.float32)
        _Column(group, layout.INTENSITY, np.float32).append(cells)
        attributes = group[layout.INTENSITY].attrs
        attributes["cell_frames"] = np.int64(cell_frames)
        attributes["crc32"] = np.int64(zlib.crc32(cells.view(np.uint8).data))

    def _append_extras(self, block: Block, extras: SpillExtras) -> None:
        given = (*extras.hits, *extras.records)
        if set(given) != {*self._hit_names, *self._record_kinds}:
            wanted = ", ".join((*self._hit_names, *self._record_kinds)) or "none"
            raise SpillError(f"{self.path}: frame {block.first_frame}: extras must be {wanted}")
        if given and (block.first_frame % self._block_frames or block.n_frames > self._block_frames):
            raise SpillError(
                f"{self.path}: frame {block.first_frame}: a block with extras must be one of the checksum grid"
            )
        streams: dict[str, FrameStream | RecordStream] = {**extras.hits, **extras.records}
        for name, stream in streams.items():
            if (stream.first_frame, stream.n_frames) != (block.first_frame, block.n_frames):
                raise SpillError(
                    f"{self.path}: frame {block.first_frame}, {name}: does not cover the block's frames"
                )
        for name, hits in extras.hits.items():
            self._check_stream(hits, f"{self.path}: frame {block.first_frame}, {name}")
            self._hits[name].append(hits.offsets, hits.words)
        for kind, records in extras.records.items():
            place = f"{self.path}: frame {block.first_frame}, {kind}"
            if records.records.dtype != KINDS[kind] or records.offsets.dtype != np.int64:
                raise SpillError(f"{place}: offsets must be int64 and records {KINDS[kind]}")
            if (np.diff(records.times_lsb()) < 0).any():
                raise SpillError(f"{place}: records are not sorted by time; sort them")
            self._records[kind].append(records.offsets, records.records)

    def _check(self, block: Block) -> None:
        if block.first_frame != self._next_frame:
            raise SpillError(
                f"{self.path}: frame {block.first_frame} does not follow frame {self._next_frame - 1}; "
                "write consecutive blocks from frame 0"
            )
        for name in self._names:
            if name not in block.streams:
                raise SpillError(f"{self.path}: frame {block.first_frame}: the block has no {name}")
        for name, stream in block.streams.items():
            place = f"{self.path}: frame {block.first_frame}, {name}"
            if name not in self._names:
                raise SpillError(
                    f"{place}: this detector was not announced; add it to the writer's detectors"
                )
            if (stream.first_frame, stream.n_frames) != (block.first_frame, block.n_frames):
                raise SpillError(f"{place}: the stream does not cover the block's {block.n_frames} frames")
            self._check_stream(stream, place)

    def _check_stream(self, stream: FrameStream, place: str) -> None:
        """Raise SpillError about `place` unless a stream has the types and the order of one."""
        if stream.offsets.dtype != np.int64 or stream.words.dtype != np.uint32:
            raise SpillError(f"{place}: offsets must be int64 and words uint32")
        try:
            order.check(stream)
        except FrameError as wrong:
            raise SpillError(f"{place}: {wrong}") from None

    def _commit(self) -> None:
        """Write what is pending: one block of the checksum grid, or the rest at the end."""
        if not self._pending:
            return
        for name, detector in self._detectors.items():
            pieces = [piece.streams[name] for piece in self._pending]
            stream = pieces[0] if len(pieces) == 1 else join(pieces)
            detector.append(stream.offsets, stream.words)
        self._pending = []
        self._raise_sink_error()

    def _raise_sink_error(self) -> None:
        if self._sink is not None and self._sink.error is not None:
            raise self._cannot_write(self._sink.error) from None

    def _cannot_write(self, wrong: Exception) -> SpillError:
        reason = getattr(wrong, "strerror", None) or str(wrong)
        return SpillError(f"{self.path}: cannot be written: {reason}; free space or choose another place")

    def _finish(self) -> None:
        self._commit()
        for stream in (*self._detectors.values(), *self._hits.values(), *self._records.values()):
            stream.finish()
        for place, attributes in self._attributes.items():
            for name, value in attributes.items():
                self._file[place].attrs[name] = (
                    layout.fixed(value) if isinstance(value, str) else np.int64(value)
                )
        header = replace(self._header, n_frames=self._next_frame)
        for name, value in header.to_attributes().items():
            self._file.attrs[name] = value

    def __exit__(
        self, kind: type[BaseException] | None, _value: BaseException | None, _trace: TracebackType | None
    ) -> None:
        assert self._sink is not None
        renamed = False
        try:
            try:
                if kind is None:
                    self._finish()
            finally:
                self._file.close()
                self._sink.close()
            if kind is None:
                self._raise_sink_error()
                self._partial.replace(self.path)
                renamed = True
        except (OSError, RuntimeError) as wrong:
            raise self._cannot_write(self._sink.error or wrong) from None
        finally:
            if not renamed:
                self._partial.unlink(missing_ok=True)
            self._sink = None


def _copy(block: Block) -> Block:
    streams = {
        name: FrameStream(s.first_frame, s.offsets.copy(), s.words.copy())
        for name, s in block.streams.items()
    }
    return Block(block.first_frame, block.n_frames, streams)
