"""Reading golden files of the STRAW algorithm, and the forms in which the search takes their events."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from golden_straw_files import ONE_TRACK, THREE_TRACKS, Arrays, arrays, write

from streams.formats.golden_straw import ARRAYS, TRIGGER_LSB, GoldenStraw, GoldenStrawError, read
from trigger.clock import LSB_NS
from trigger.l1.straw.comparison import HitLists
from trigger.l1.straw.edges import pair_edges
from trigger.l1.straw.geometry import place_of_id
from trigger.l1.straw.hits import MISSING_NS, make_straws
from trigger.l1.window import TRAILING


def test_a_file_is_read_as_it_is_written(tmp_path: Path) -> None:
    raw, golden = arrays(THREE_TRACKS, 5), read(write(tmp_path, THREE_TRACKS))
    assert len(golden) == 5
    assert golden.offsets.tolist() == raw["hit_offsets"].tolist()
    assert golden.straw_id.tolist() == raw["straw_id"].tolist()
    assert golden.leading_ns.tolist() == raw["leading_ns"].tolist()
    assert golden.trailing_ns.tolist() == raw["trailing_ns"].tolist()
    assert golden.recorded.verdict.tolist() == raw["verdict"].tolist()
    assert golden.recorded.n_tracks.tolist() == raw["n_tracks"].tolist()
    np.testing.assert_array_equal(golden.recorded.p_mev, raw["track_p_mev"][:, :4])
    np.testing.assert_array_equal(golden.recorded.z_mm, raw["track_vertex_z_mm"][:, :4])
    assert not golden.recorded.charge.any()


def test_arrays_of_other_widths_and_that_nobody_reads_are_allowed(tmp_path: Path) -> None:
    def widen(c: Arrays) -> None:
        c["hit_offsets"], c["straw_id"] = c["hit_offsets"].astype(np.uint64), c["straw_id"].astype(">i4")
        c["leading_ns"], c["remark"] = c["leading_ns"].astype(np.float64), np.array("x")
        del c["true_p_mev"], c["trigger_fine_time"]

    plain, wide = read(write(tmp_path)), read(write(tmp_path, change=widen, name="wide.npz"))
    for name in HitLists._fields:
        ours, theirs = getattr(plain.hits(), name), getattr(wide.hits(), name)
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)


def times(golden: GoldenStraw, e: int) -> list[tuple[float, float, int]]:
    """Leading and trailing time and straw of an event, by leading time."""
    own = slice(golden.offsets[e], golden.offsets[e + 1])
    columns = (golden.leading_ns[own], golden.trailing_ns[own], golden.straw_id[own])
    return sorted(zip(*(c.tolist() for c in columns), strict=True), key=lambda straw: (straw[0], straw[2]))


def test_straws_of_an_event_are_in_order_of_leading_time_then_straw(tmp_path: Path) -> None:
    def tie(c: Arrays) -> None:
        c["trailing_ns"][5] = 400.0
        c["leading_ns"][:20] = np.round(c["leading_ns"][:20], -1)

    golden = read(write(tmp_path, THREE_TRACKS, change=tie))
    hits = golden.hits()
    assert hits.first.tolist() == golden.offsets.tolist()
    for e in range(len(golden)):
        expected = times(golden, e)
        own = slice(hits.first[e], hits.first[e + 1])
        assert hits.leading[own].tolist() == [leading for leading, _, _ in expected]
        assert hits.place[own].tolist() == [place_of_id(straw) for _, _, straw in expected]
        kept = [trailing if -100 < trailing < 300 else MISSING_NS for _, trailing, _ in expected]
        assert hits.trailing[own].tolist() == kept
    assert (hits.trailing == MISSING_NS).any()


@pytest.mark.parametrize("trailing", [-100.0, 300.0, -1e5, np.nan, np.inf, 1e30])
def test_a_trailing_time_outside_its_range_is_missing(tmp_path: Path, trailing: float) -> None:
    def set_first(c: Arrays) -> None:
        c["leading_ns"][0], c["trailing_ns"][0] = -1e4, trailing

    golden = read(write(tmp_path, change=set_first))
    assert golden.hits().trailing[0] == MISSING_NS
    assert golden.hits().trailing[1] > 0
    assert len(golden.edges().words) >= 2 * len(golden.straw_id) - 2


def test_edges_are_rounded_to_lsb_and_in_order_of_time(tmp_path: Path) -> None:
    golden = read(write(tmp_path, THREE_TRACKS))
    edges = golden.edges()
    assert edges.begin.tolist() == (2 * golden.offsets[:-1]).tolist()
    assert edges.end.tolist() == (2 * golden.offsets[1:]).tolist()
    for e in range(len(golden)):
        words = edges.words[edges.begin[e] : edges.end[e]].astype(np.int64)
        lsb = (words & 0xFFFF) - TRIGGER_LSB
        assert (np.diff(lsb) >= 0).all()
        found = sorted(zip((words >> 16).tolist(), lsb.tolist(), strict=True))
        expected = [(straw, round(t / LSB_NS)) for t, _, straw in times(golden, e)]
        expected += [(straw | TRAILING, round(t / LSB_NS)) for _, t, straw in times(golden, e)]
        assert found == sorted(expected)


def test_paired_edges_are_the_straws_again_within_half_an_lsb(tmp_path: Path) -> None:
    golden = read(write(tmp_path, THREE_TRACKS, 3))
    edges, hits, straws = golden.edges(), golden.hits(), make_straws()
    for e in range(len(golden)):
        n = pair_edges(edges.words, edges.begin[e], edges.end[e], TRIGGER_LSB, straws)
        own = slice(hits.first[e], hits.first[e + 1])
        assert sorted(straws.place[:n].tolist()) == sorted(hits.place[own].tolist())
        mine, its = np.argsort(straws.place[:n]), np.argsort(hits.place[own])
        assert np.abs(straws.leading[:n][mine] - hits.leading[own][its]).max() < 0.51 * LSB_NS
        assert np.abs(straws.trailing[:n][mine] - hits.trailing[own][its]).max() < 0.51 * LSB_NS
        straws.number[:] = 0


def test_an_edge_too_far_for_16_bits_is_left_out(tmp_path: Path) -> None:
    def set_first(c: Arrays) -> None:
        c["leading_ns"][0], c["trailing_ns"][1] = -3300.0, 3200.0

    golden = read(write(tmp_path, change=set_first))
    edges, n = golden.edges(), int(golden.offsets[1])
    assert edges.end[0] == 2 * n - 2
    assert len(edges.words) == 2 * len(golden.straw_id) - 2


def test_an_event_without_straws_is_an_event(tmp_path: Path) -> None:
    def empty(c: Arrays) -> None:
        c["hit_offsets"][1] = 0

    golden = read(write(tmp_path, change=empty))
    assert golden.hits().first[:2].tolist() == [0, 0]
    assert (golden.edges().begin[0], golden.edges().end[0]) == (0, 0)


def put(name: str, index: int, value: float) -> Callable[[Arrays], None]:
    def change(c: Arrays) -> None:
        if np.can_cast(np.int64, c[name].dtype):
            c[name] = c[name].astype(np.int64)
        c[name][index] = value

    return change


def cast(name: str, dtype: str) -> Callable[[Arrays], None]:
    return lambda c: c.update({name: c[name].astype(dtype)})


def drop(name: str) -> Callable[[Arrays], object]:
    return lambda c: c.pop(name)


def take(name: str, stop: int) -> Callable[[Arrays], None]:
    return lambda c: c.update({name: c[name][:stop]})


def again(c: Arrays) -> None:
    c["straw_id"][7] = c["straw_id"][3]


BROKEN: dict[str, tuple[Callable[[Arrays], object], str]] = {
    **{f"no {name}": (drop(name), f"{name}: is missing (there are ") for name in ARRAYS},
    "real offsets": (cast("hit_offsets", "f8"), "hit_offsets: must be integers (is float64)"),
    "boolean": (cast("verdict", "?"), "verdict: must be integers (is bool)"),
    "whole times": (cast("leading_ns", "i4"), "leading_ns: must be floating-point numbers (is int32)"),
    "text": (cast("track_p_mev", "U9"), "track_p_mev: must be floating-point numbers (is <U9)"),
    "flat": (lambda c: c.update(track_p_mev=c["verdict"] * 1.0), "track_p_mev: must have 2 dimensions (has 1)"),
    "a table": (lambda c: c.update(verdict=c["verdict"][:, None]), "verdict: must have 1 dimension (has 2)"),
    "no event": (take("hit_offsets", 1), "hit_offsets: must have 2 entries or more (has 1)"),
    "no offsets": (take("hit_offsets", 0), "hit_offsets: must have 2 entries or more (has 0)"),
    "short times": (take("trailing_ns", 10), "trailing_ns: must be as long as straw_id, "),
    "short answers": (take("n_tracks", 3), "n_tracks: must be as long as hit_offsets less one, 5 (is 3)"),
    "three columns": (
        lambda c: c.update(track_p_mev=c["track_p_mev"][:, :3]),
        "track_p_mev: must have 4 columns or more (has 3)",
    ),
    "late begin": (put("hit_offsets", 0, 1), "hit_offsets[0]: must be 0 (is 1)"),
    "negative": (put("hit_offsets", 0, -1), "hit_offsets[0]: must be 0 (is -1)"),
    "falling": (put("hit_offsets", 2, 5), "hit_offsets[2]: must not be below 38 (is 5)"),
    "beyond": (put("hit_offsets", 5, 10**6), "hit_offsets[5]: must be the length of straw_id, "),
    "foreign straw": (put("straw_id", 9, 7808), "straw_id[9]: must be 0 to 7807 (is 7808)"),
    "straw twice": (again, "straw_id[7]: must be in event 0 once only (is 781 again)"),
    "no time": (put("leading_ns", 4, np.nan), "leading_ns[4]: must be finite (is nan)"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BROKEN)
def test_a_wrong_array_is_named_with_value_and_remedy(kind: str, tmp_path: Path) -> None:
    change, message = BROKEN[kind]
    path = write(tmp_path, change=change)
    with pytest.raises(GoldenStrawError) as wrong:
        read(path)
    assert str(wrong.value).startswith(f"{path}: {message}")
    assert str(wrong.value).endswith("; give a golden file of the STRAW algorithm, as t1-n0.npz")
    assert "\n" not in str(wrong.value)


def archive_with(member: bytes, name: str = "hit_offsets.npy") -> bytes:
    """A zip archive with one member."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(name, member)
    return packed.getvalue()


def header(text: str) -> bytes:
    """A numpy file of version 1.0 with a header and nothing behind it."""
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


def test_a_file_that_is_none_is_refused_with_a_remedy(tmp_path: Path) -> None:
    packed = ONE_TRACK.read_bytes()
    huge = header("{'descr': '<i8', 'fortran_order': False, 'shape': (9223372036854775807,)}\n")
    (tmp_path / "cut.npz").write_bytes(packed[: len(packed) // 2])
    (tmp_path / "empty.npz").write_bytes(b"")
    (tmp_path / "text.npz").write_text("no")
    (tmp_path / "none.npz").write_bytes(archive_with(b"", "x"))
    (tmp_path / "no-array.npz").write_bytes(archive_with(b"words", "hit_offsets"))
    (tmp_path / "huge.npz").write_bytes(archive_with(huge))
    (tmp_path / "header.npz").write_bytes(archive_with(header("{'descr': (((")))
    np.savez(tmp_path / "object.npz", hit_offsets=np.array([{}, None]))
    np.save(tmp_path / "array.npy", np.zeros(3))
    os.mkfifo(tmp_path / "fifo")
    for name, message in {
        "cut.npz": "is not a numpy archive, or is cut short; give",
        "empty.npz": "is not a numpy archive, or is cut short; give",
        "text.npz": "is not a numpy archive, or is cut short; give",
        "array.npy": "is not a numpy archive, or is cut short; give",
        "none.npz": "hit_offsets: is missing (there are x); give",
        "no-array.npz": "hit_offsets: is not a numpy array; give",
        "huge.npz": "hit_offsets: is damaged (",
        "header.npz": "hit_offsets: is damaged (",
        "object.npz": "hit_offsets: is damaged (Object arrays cannot be loaded when allow_pickle=False)",
        "fifo": "is not a regular file; give",
        ".": "is a folder; give",
        "absent": "No such file or directory; give",
    }.items():
        with pytest.raises(GoldenStrawError) as wrong:
            read(tmp_path / name)
        assert message in str(wrong.value), name
        assert "\n" not in str(wrong.value)


def test_a_flipped_bit_is_an_error_of_ours_or_changes_nothing(tmp_path: Path) -> None:
    whole = write(tmp_path, n_events=2)
    packed, plain = whole.read_bytes(), read(whole)
    rng, refused = np.random.default_rng(1), 0
    for place in rng.integers(0, len(packed), 300).tolist():
        flipped = bytearray(packed)
        flipped[place] ^= 1 << int(rng.integers(8))
        path = tmp_path / "flipped.npz"
        path.write_bytes(flipped)
        try:
            found = read(path)
        except GoldenStrawError:
            refused += 1
        else:
            np.testing.assert_array_equal(found.hits().leading, plain.hits().leading)
    assert refused > 150
