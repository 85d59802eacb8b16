"""NA62 primitives: both formats, their errors, and the way to a spill file."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from required import recorded_primitives

from streams.cli.import_ import command
from streams.formats.na62_primitives import (
    LONGEST_BURST_S,
    PARSERS,
    Format,
    Primitives,
    PrimitivesError,
    guess,
    pack,
    parse_32,
    parse_64,
    read,
)
from streams.spill.reader import SpillReader
from streams.spill.validate import validate
from trigger.clock import LSB_PER_TICK, lsb, seconds
from trigger.errors import KtrigError

Rows = Sequence[tuple[int, int]]
"""(time in LSB, ID) of primitives, in order of arrival."""

FORMATS: list[Format] = ["32", "64"]

ids = st.integers(0x100, 0xFFFF)
rows = st.lists(st.tuples(st.integers(0, lsb(LONGEST_BURST_S)), ids), min_size=1, max_size=30)


def timestamp_word(time: int) -> bytes:
    return struct.pack("<I", time >> 16)


def write_32(primitives: Rows) -> bytes:
    """A timestamp word where the high part changes, then the primitive: as the detectors do."""
    raw, high = b"", -1
    for time, id16 in primitives:
        if time >> 16 != high:
            raw += timestamp_word(time)
            high = time >> 16
        raw += struct.pack("<BBH", time & 0xFF, (time >> 8) & 0xFF, id16)
    return raw


def write_64(primitives: Rows, reserved: int = 0) -> bytes:
    return b"".join(struct.pack("<BBHI", time & 0xFF, reserved, id16, time >> 8) for time, id16 in primitives)


def write(format_: Format, primitives: Rows) -> bytes:
    return write_32(primitives) if format_ == "32" else write_64(primitives)


def parse_32_slowly(raw: bytes) -> list[tuple[int, int]]:
    """A word at a time."""
    found, high = [], None
    for (word,) in struct.iter_unpack("<I", raw):
        if word >> 24 == 0:
            high = word & 0xFFFFFF
        else:
            assert high is not None
            found.append((high * 65536 + word % 65536, word >> 16))
    return found


def listed(primitives: Primitives) -> list[tuple[int, int]]:
    assert primitives.times_lsb.dtype == np.int64
    assert primitives.ids.dtype == np.uint16
    return list(zip(primitives.times_lsb.tolist(), primitives.ids.tolist(), strict=True))


# Two detectors' worth of a quiet burst: sorted, spread over seconds.
BURST: Rows = [(lsb(1.2) + 7_654_321 * i, 0x4000 | i % 16) for i in range(200)]


@given(rows)
def test_the_32_bit_format_reads_back_as_it_was_written(primitives: Rows) -> None:
    raw = write_32(primitives)
    assert listed(parse_32(raw)) == list(primitives) == parse_32_slowly(raw)


@given(rows, st.integers(0, 255))
def test_the_64_bit_format_reads_back_as_it_was_written_whatever_its_reserved_byte(
    primitives: Rows, reserved: int
) -> None:
    assert listed(parse_64(write_64(primitives, reserved))) == list(primitives)


@given(st.lists(st.integers(0, 0x1FFF) | st.integers(0x0100_0000, 0xFFFF_FFFF), max_size=30))
def test_any_words_after_a_timestamp_word_parse_as_a_word_at_a_time(words: list[int]) -> None:
    raw = struct.pack(f"<{len(words) + 2}I", 5, *words, 0x4000_0000)
    assert listed(parse_32(raw)) == parse_32_slowly(raw)


def test_bytes_known_by_hand_are_a_known_time_and_id() -> None:
    time = 0x012345 * 65536 + 0x67 * LSB_PER_TICK + 0x89
    assert listed(parse_32(bytes.fromhex("45230100 8967fe41"))) == [(time, 0x41FE)]
    assert listed(parse_64(bytes.fromhex("89fffe41 67452301"))) == [(time, 0x41FE)]


def test_an_empty_frame_is_a_timestamp_word_alone() -> None:
    raw = (
        timestamp_word(0x10000)
        + timestamp_word(0x20000)
        + write_32([(0x30001, 0x4000)])
        + timestamp_word(0x40000)
    )
    assert listed(parse_32(raw)) == [(0x30001, 0x4000)]


def test_an_id_of_0_is_discarded_and_counted() -> None:
    found = parse_64(write_64([(10, 0x4000), (20, 0), (30, 1)]))
    assert (listed(found), found.discarded) == ([(10, 0x4000), (30, 1)], 1)


def test_the_highest_bit_of_a_64_bit_timestamp_is_dropped_as_in_the_firmware() -> None:
    assert listed(parse_64(struct.pack("<BBHI", 1, 0, 0x4000, 0x8000_0002))) == [
        (2 * LSB_PER_TICK + 1, 0x4000)
    ]


@pytest.mark.parametrize(
    ("format_", "raw", "what"),
    [
        ("32", bytes(7), "its size, 7 bytes, is not a multiple of 4 bytes"),
        ("64", bytes(12), "its size, 12 bytes, is not a multiple of 8 bytes"),
        ("32", struct.pack("<II", 0x4000_0000, 1), "byte 0: a primitive comes before any timestamp word"),
        ("32", bytes(8), "holds no primitive"),
        ("64", b"", "holds no primitive"),
        ("64", bytes(16), "holds no primitive but 2 with ID 0"),
        (
            "32",
            write_32([(1, 0x4000), (lsb(40), 0x4000)]),
            "byte 12: a primitive at 40.000 s, later than any burst",
        ),
        ("64", write_64([(1, 0x4000), (lsb(40), 0x4000)]), "byte 8: a primitive at 40.000 s"),
    ],
)
def test_what_is_not_in_the_format_is_an_error_with_its_place(format_: Format, raw: bytes, what: str) -> None:
    with pytest.raises(PrimitivesError, match=what):
        PARSERS[format_](raw)


@pytest.mark.parametrize("format_", FORMATS)
def test_the_format_of_a_burst_is_found(format_: Format) -> None:
    raw = write(format_, BURST)
    found = guess(raw + timestamp_word(BURST[-1][0]) * (len(raw) // 4 % 2))
    assert (found.format, listed(found)) == (format_, list(BURST))


@pytest.mark.parametrize("format_", FORMATS)
def test_primitives_out_of_order_inside_a_frame_do_not_hide_the_format(format_: Format) -> None:
    swapped = [row for time, id16 in BURST for row in ((time | 0xFF, id16), (time & ~0xFF, id16))]
    found = guess(write(format_, swapped))
    assert (found.format, found.steps_back) == (format_, len(BURST))


def test_a_file_that_fits_no_format_says_why_for_each() -> None:
    with pytest.raises(PrimitivesError, match=r"32-bit: byte 0: .*; 64-bit: its frames are not in order"):
        guess(write_64(BURST[::-1]))
    with pytest.raises(PrimitivesError, match=r"fits no format .*32-bit: it holds no primitive"):
        guess(b"")


def test_a_file_that_fits_both_formats_is_refused() -> None:
    with pytest.raises(
        PrimitivesError, match="fits the 32-bit and the 64-bit format; say which with --format"
    ):
        guess(write_32([(0x0001_0000 << 16, 0x0200)]))


def test_an_error_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(PrimitivesError, match=r"missing.bin: No such file"):
        read(tmp_path / "missing.bin")
    (tmp_path / "odd.bin").write_bytes(b"abc")
    with pytest.raises(
        PrimitivesError, match=r"odd.bin: its size, 3 bytes, .* \(read in the 64-bit format\)"
    ):
        read(tmp_path / "odd.bin", "64")


@given(rows)
def test_packing_sorts_and_keeps_equal_times_in_order_of_arrival(primitives: Rows) -> None:
    # Times are brought close to each other: a spill of 30 s has millions of frames.
    close = [(time % 200_000, id16) for time, id16 in primitives]
    block = pack({"LKr": parse_64(write_64(close))})
    stream = block.streams["LKr"]
    assert list(zip(stream.times_lsb().tolist(), stream.ids().tolist(), strict=True)) == sorted(
        close, key=lambda row: row[0]
    )
    assert block.n_frames == max(close)[0] // 65536 + 1


# The command.


def run(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(
        command, ["primitives", "--experiment", "na62", "-o", str(folder / "spill.h5"), *arguments]
    )


@pytest.mark.parametrize("format_", FORMATS)
def test_a_file_is_imported_with_its_run_and_burst_from_its_name(tmp_path: Path, format_: Format) -> None:
    source = tmp_path / "Run0042_burst7_LKr.bin"
    source.write_bytes(write(format_, BURST))
    result = run(tmp_path, "--detector", "LKr", str(source))
    assert result.exit_code == 0
    assert f"LKr: 200 primitives, 1.200 to 1.348 s, {format_}-bit format" in result.output
    assert list(validate(tmp_path / "spill.h5")) == []
    with SpillReader(tmp_path / "spill.h5") as reader:
        assert (reader.header.run, reader.header.burst, reader.header.simulated) == (42, 7, False)
        assert reader.header.provenance["sources"][0]["file"] == source.name
        assert str(tmp_path) not in json.dumps(reader.header.provenance)
        stream = reader.read_block(0, reader.header.n_frames).streams["LKr"]
        assert list(zip(stream.times_lsb().tolist(), stream.ids().tolist(), strict=True)) == list(BURST)


def test_several_detectors_are_imported_into_one_spill(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(write_32(BURST))
    (tmp_path / "b").write_bytes(write_64([(time + 5_000_000, id16) for time, id16 in BURST]))
    files = [str(tmp_path / "a"), str(tmp_path / "b")]
    result = run(tmp_path, "--detector", "LKr", "--detector", "CHOD", "--run", "3", *files, "--json")
    shown = json.loads(result.output)
    assert (shown["run"], shown["burst"], [s["format"][-2:] for s in shown["sources"]]) == (
        3,
        0,
        ["32", "64"],
    )
    with SpillReader(tmp_path / "spill.h5") as reader:
        assert reader.primitives_per_detector == {"LKr": 200, "CHOD": 200}
        assert reader.header.n_frames == (BURST[-1][0] + 5_000_000) // 65536 + 1


def test_what_was_discarded_and_sorted_is_told(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(write_64([(20, 0x4000), (30, 0), (10, 0x4001)]))
    result = run(tmp_path, "--detector", "LKr", str(tmp_path / "a"), "--format", "64")
    assert "1 with ID 0 discarded, 1 out of order, sorted" in result.output


@pytest.mark.parametrize(
    ("detector", "id16s", "told", "bits", "lack"),
    [
        ("CHOD", [0x4001, 0x6C00], "bits 0, 10-11, 13 are set and have no name in na62", [0, 10, 11, 13], 0),
        ("CHOD", [0x4000, 0x2000], "bit 13 is set and has no name in na62; 50% lack bit 14", [13], 0.5),
        ("LKr", [0x0100] + [0x4000] * 199, "under 1% lack bit 14", [], 0.005),
        ("LKr", [0x0100, 0x4000, 0xB000], "50% lack bit 14", [], 0.5),
        ("LKr", [0xB000], None, [], 0),
        ("LKr", [0x40FF], None, [], 0),
    ],
)  # fmt: skip
def test_bits_that_do_not_fit_the_profile_are_told_calibration_apart(
    tmp_path: Path, detector: str, id16s: list[int], told: str | None, bits: list[int], lack: float
) -> None:
    (tmp_path / "a").write_bytes(write_64([(10 * i, id16) for i, id16 in enumerate(id16s)]))
    result = run(tmp_path, "--detector", detector, str(tmp_path / "a"), "--format", "64")
    lines = result.output.splitlines()
    assert lines[2:] == ([] if told is None else [f"{detector}: {told}"])
    with SpillReader(tmp_path / "spill.h5") as reader:
        source = reader.header.provenance["sources"][0]
    assert (source["bits_without_name"], source["lack_bit_14"]) == (bits, lack)


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["--detector", "LKR", "run1.bin"], "na62 has no detector 'LKR'"),
        (["--detector", "LKr", "run1.bin", "run2.bin"], "1 for 2 files"),
        (
            ["--detector", "LKr", "--detector", "LKr", "run1.bin", "run2.bin"],
            "give one for each, all different",
        ),
        (["--detector", "LKr", "--detector", "CHOD", "run1.bin", "run2.bin"], r"different runs \(1, 2\)"),
        (["--detector", "LKr", "run1.bin", "--experiment", "na99"], "na99"),
        (["--detector", "LKr", "missing.bin"], "missing.bin: No such file"),
        (
            ["--detector", "LKr", "run1.bin", "--format", "64"],
            r"run1.bin: it holds no primitive but 10 with ID 0 \(read in the 64-bit",
        ),
        (["--detector", "LKr", "run1.bin", "--run", str(2**70)], "run is"),
    ],
)
def test_an_import_that_fails_says_why_and_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], what: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("run1.bin", "run2.bin"):
        Path(name).write_bytes(write_32([(i * 65536, 0x7000) for i in range(10)]))
    result = run(tmp_path, *arguments)
    assert isinstance(result.exception, KtrigError)
    with pytest.raises(KtrigError, match=what):
        raise result.exception
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run1.bin", "run2.bin"]


def test_the_recorded_burst_has_its_4252_primitives_between_1169_and_5757_ms(tmp_path: Path) -> None:
    recorded = recorded_primitives()
    found = read(recorded)
    assert listed(found) == parse_32_slowly(recorded.read_bytes())
    assert (found.format, len(found.ids), found.steps_back) == ("32", 4252, 0)
    span = [seconds(int(found.times_lsb[i])) for i in (0, -1)]
    assert span == pytest.approx([1.169, 5.757], abs=5e-4)
    result = run(tmp_path, "--detector", "LKr", str(recorded))
    assert (
        result.output.splitlines()[-1] == "LKr: bits 12-13 are set and have no name in na62; 30% lack bit 14"
    )
    assert [problem.check for problem in validate(tmp_path / "spill.h5")] == ["bits"]
    with SpillReader(tmp_path / "spill.h5") as reader:
        assert (reader.header.run, reader.header.burst) == (8764, 500)
        assert reader.time_span("LKr") == (found.times_lsb[0], found.times_lsb[-1])
