from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from naive_l0 import NaiveL0, frames_of

from streams.cli.verify import WIDTH, command
from streams.formats.golden_l0 import DETECTORS, GoldenError, read
from trigger.l0.comparison import compare
from trigger.l0.registers import CONTROL

GOLDEN = Path(__file__).parent / "golden_l0"
FILES = sorted(GOLDEN.glob("*.json.gz"))
SAMPLE = GOLDEN / "edges-b2-c1-ref4-s915.json.gz"
SAMPLE_TRIGGERS = 178

Content = dict[str, Any]


def content() -> Content:
    loaded: Content = json.loads(gzip.decompress(SAMPLE.read_bytes()))
    return loaded


def write(folder: Path, change: Callable[[Content], object] = lambda _: None, name: str = "x.json") -> Path:
    """Write the sample after a change as plain JSON."""
    changed = content()
    change(changed)
    (folder / name).write_text(json.dumps(changed), encoding="utf-8")
    return folder / name


def verify(*arguments: str | Path) -> Result:
    return CliRunner().invoke(command, ["l0", *map(str, arguments)])


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name.split(".")[0])
def test_the_processor_gives_the_recorded_triggers(path: Path) -> None:
    vectors = read(path)
    assert len(vectors.expected) > 0
    assert compare(vectors.expected, vectors.run()) == []


def test_the_vectors_here_have_all_slot_widths_and_both_with_and_without_control() -> None:
    registers = [read(path).registers for path in FILES]
    assert {r.fine_time_bits for r in registers} == {0, 1, 2, 3}
    assert {r.control for r in registers} == {None, 0, 1}


@pytest.mark.parametrize("path", [SAMPLE, GOLDEN / "sparse-b0-c1-ref4-s506.json.gz"], ids=lambda p: p.name)
def test_the_twin_gives_the_recorded_triggers(path: Path) -> None:
    """So the twin can judge the processor on other streams."""
    vectors = read(path)
    found = NaiveL0(vectors.registers).run(frames_of(vectors.block, DETECTORS))
    found = [t for t in found if t.timestamp >> 8 < vectors.merged_stop]
    expected = vectors.expected
    assert [t.timestamp << 8 | t.fine_time for t in found] == expected.time_lsb.tolist()
    assert [t.flags for t in found] == expected.flags.tolist()
    assert [t.word for t in found] == expected.word.tolist()
    assert [[[id_ for id_, _ in row] for row in t.slots] for t in found] == expected.ids.tolist()


@pytest.mark.parametrize("block_frames", [1, 3, 7])
def test_the_recorded_triggers_come_out_however_the_input_is_cut(block_frames: int) -> None:
    vectors = read(SAMPLE)
    assert compare(vectors.expected, vectors.run(block_frames)) == []


def test_a_file_is_read_as_it_is_written() -> None:
    raw = content()
    vectors = read(SAMPLE)
    r, config = vectors.registers, raw["config"]
    assert (r.fine_time_bits, r.reference, r.control) == (2, 4, 1)
    assert r.mask.tolist() == [m["mask"] for m in [*config["masks"], config["control"]]]
    assert r.dontcare.tolist() == [m["dontcare"] for m in [*config["masks"], config["control"]]]
    assert r.downscale[CONTROL] == config["control"]["downscale_register"]
    assert r.time_cut_lsb.tolist() == config["time_cut_lsb"]
    assert r.enabled.all()
    assert vectors.block.first_frame == raw["first_frame"]
    assert vectors.block.n_frames == len(raw["primitives_per_frame"])
    assert sum(len(s.words) for s in vectors.block.streams.values()) == len(raw["primitives"])
    rich = [[t, f, i] for d, t, f, i in raw["primitives"] if d == 1]
    stream = vectors.block.streams["RICH"]
    assert (stream.times_lsb() >> 8).tolist() == [row[0] for row in rich]
    assert stream.ids().tolist() == [row[2] for row in rich]
    assert vectors.expected.ids[5].T.tolist() == raw["triggers"][5][4:]


def test_without_control_its_row_is_off(tmp_path: Path) -> None:
    registers = read(write(tmp_path, lambda c: c["config"].update(control_enabled=False))).registers
    assert registers.control is None
    assert not registers.enabled[CONTROL]


def test_primitives_with_id_0_stay_in_the_streams(tmp_path: Path) -> None:
    def clear(c: Content) -> None:
        c["primitives"][0][3] = 0

    assert sum((s.ids() == 0).sum() for s in read(write(tmp_path, clear)).block.streams.values()) == 1


def test_keys_that_nobody_reads_are_allowed(tmp_path: Path) -> None:
    assert len(read(write(tmp_path, lambda c: c.update(simulator="x"))).expected) == SAMPLE_TRIGGERS


def test_only_merged_frames_are_compared(tmp_path: Path) -> None:
    def shorten(c: Content) -> None:
        c["frames_merged"] = 50
        stop = (c["first_frame"] + 50) * 256
        c["triggers"] = [t for t in c["triggers"] if t[0] < stop]

    vectors = read(write(tmp_path, shorten))
    assert 0 < len(vectors.expected) < SAMPLE_TRIGGERS
    assert compare(vectors.expected, vectors.run()) == []


def set_in(*path: Any) -> Callable[[Content], None]:
    """Return a change that sets the value at a path: keys and indices, then the value."""
    *way, last, value = path

    def change(c: Any) -> None:
        for step in way:
            c = c[step]
        c[last] = value

    return change


def swap_first_two_of_chod(c: Content) -> None:
    rows = [i for i, row in enumerate(c["primitives"]) if row[0] == 0]
    frames = np.array([c["primitives"][i][1] >> 8 for i in rows])
    k = int(np.flatnonzero(frames[1:] == frames[:-1])[0])
    a, b = rows[k], rows[k + 1]
    c["primitives"][a][2], c["primitives"][b][2] = 9, 8
    c["primitives"][a][1] = c["primitives"][b][1]


BROKEN: dict[str, tuple[Callable[[Content], object], str]] = {
    "no config": (lambda c: c.pop("config"), "config: missing"),
    "no cut": (lambda c: c["config"].pop("time_cut_lsb"), "config.time_cut_lsb: missing"),
    "bits": (set_in("config", "fine_time_bits", 4), "config.fine_time_bits: must be less than or equal to 3 (is 4)"),
    "true": (set_in("config", "fine_time_bits", True), "config.fine_time_bits: must be a valid integer (is true)"),
    "detector": (set_in("config", "reference_detector", 7), "config.reference_detector: must be less than 7 (is 7)"),
    "word": (set_in("config", "masks", 2, "mask", 6, -1), "config.masks[3].mask[7]: must be greater than"),
    "15 masks": (lambda c: c["config"]["masks"].pop(), "config.masks: Tuple should have at least 16 items"),
    "short mask": (lambda c: c["config"]["masks"][0]["mask"].pop(), "config.masks[1].mask: Tuple should have"),
    "control": (set_in("config", "control_enabled", 1), "config.control_enabled: must be a valid boolean (is 1)"),
    "fine time": (set_in("primitives", 4, 2, 256), "primitives[5].fine_time: must be less than or equal to 255"),
    "text": (set_in("primitives", 4, 3, "1"), 'primitives[5].primitive_id: must be a valid integer (is "1")'),
    "short row": (set_in("primitives", 4, [1, 2, 3]), "primitives[5].primitive_id: missing (in [1, 2, 3])"),
    "ids": (set_in("triggers", 0, 5, [1, 2]), "triggers[1].RICH[3]: missing"),
    "counts": (set_in("primitives_per_frame", 0, 999), "primitives_per_frame: sum must be the number of rows"),
    "merged": (set_in("frames_merged", 163), "frames_merged: must be at most the 162 frames"),
    "frame": (set_in("primitives", 7, 1, 0), "primitives[8].timestamp: must be in frame 24"),
    "order": (swap_first_two_of_chod, "must not be earlier than row"),
    "trigger time": (set_in("triggers", 3, 0, 1.5), "triggers[4].timestamp: must be a valid integer"),
    "trigger at 2^55": (set_in("triggers", 3, 0, 2**55), "triggers[4].timestamp: must be less than"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BROKEN)
def test_a_wrong_file_is_named_with_field_and_value(kind: str, tmp_path: Path) -> None:
    change, message = BROKEN[kind]
    path = write(tmp_path, change)
    with pytest.raises(GoldenError) as wrong:
        read(path)
    assert str(wrong.value).startswith(f"{path}: ")
    assert message in str(wrong.value)
    assert "\n" not in str(wrong.value)


def test_a_file_that_is_none_is_refused_with_a_remedy(tmp_path: Path) -> None:
    packed = SAMPLE.read_bytes()
    (tmp_path / "cut.json.gz").write_bytes(packed[: len(packed) // 2])
    (tmp_path / "bit.json.gz").write_bytes(packed[:5000] + bytes([packed[5000] ^ 255]) + packed[5001:])
    (tmp_path / "cut.json").write_bytes(gzip.decompress(packed)[:1000])
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "deep.json").write_text("[" * 100_000)
    (tmp_path / "binary.json").write_bytes(bytes(range(128, 256)))
    (tmp_path / "empty.json").write_bytes(b"")
    os.mkfifo(tmp_path / "fifo")
    for name, message in {
        "cut.json.gz": "its compression is damaged",
        "bit.json.gz": "its compression is damaged",
        "cut.json": "not JSON",
        "list.json": "must be an object",
        "deep.json": "not JSON",
        "binary.json": "not JSON",
        "empty.json": "not JSON",
        "fifo": "is not a regular file; give",
        ".": "is not a regular file; give",
        "absent": "No such file or directory; give",
    }.items():
        with pytest.raises(GoldenError) as wrong:
            read(tmp_path / name)
        assert message in str(wrong.value), name
        assert "\n" not in str(wrong.value)


def swap_two(c: Content) -> None:
    c["triggers"][20], c["triggers"][21] = c["triggers"][21], c["triggers"][20]


@pytest.mark.parametrize(
    ("change", "kinds"),
    [
        (set_in("triggers", 3, 0, 0), {"missing": 1, "extra": 1}),
        (set_in("triggers", 3, 0, -1), {"missing": 1, "extra": 1}),
        (set_in("triggers", 3, 0, 2**31 - 1), {"missing": 1, "extra": 1}),
        (set_in("triggers", -1, 0, 2**40), {"missing": 1, "extra": 1}),
        (lambda c: c["triggers"].insert(8, c["triggers"][7]), {"missing": 1}),
        (lambda c: c["triggers"].append(c["triggers"][7]), {"missing": 1}),
        (lambda c: c["triggers"].append([2**31 - 1, *c["triggers"][7][1:]]), {"missing": 1}),
        (swap_two, {"missing": 1, "extra": 1}),
        (lambda c: c["triggers"].reverse(), {"missing": SAMPLE_TRIGGERS - 1, "extra": SAMPLE_TRIGGERS - 1}),
    ],
    ids=[
        "0",
        "negative",
        "late",
        "last",
        "repeated",
        "repeated at end",
        "never merged",
        "swapped",
        "reversed",
    ],
)
def test_a_wrong_timestamp_of_a_trigger_is_a_difference_and_no_unreadable_file(
    change: Callable[[Content], object], kinds: dict[str, int], tmp_path: Path
) -> None:
    path = write(tmp_path, change)
    vectors = read(path)
    found = [d.kind for d in compare(vectors.expected, vectors.run())]
    assert {kind: found.count(kind) for kind in set(found)} == kinds
    result = verify(path)
    assert result.exit_code == 1
    assert result.stderr == ""


def test_verify_prints_a_line_for_each_file_and_the_total() -> None:
    result = verify(*FILES)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert len(lines) == len(FILES) + 2
    assert [SAMPLE.name, "178", "0"] in [line.split() for line in lines]
    assert lines[-1].split()[0] == "total"
    assert max(map(len, lines)) <= WIDTH


def corrupt(c: Content) -> None:
    """Three differences: a trigger too few, one too many, one with another ID."""
    del c["triggers"][10]
    ticks = [t[0] for t in c["triggers"]]
    k = next(k for k in range(50, 60) if ticks[k + 1] > ticks[k] + 1)
    c["triggers"].insert(k + 1, [ticks[k] + 1, *c["triggers"][k][1:]])
    c["triggers"][70][6][1] ^= 1


def test_a_corrupted_expectation_gives_the_counted_differences(tmp_path: Path) -> None:
    result = verify(SAMPLE, write(tmp_path, corrupt))
    assert result.exit_code == 1
    assert [line.split() for line in result.stdout.splitlines() if line.startswith(("x.json", "edges"))] == [
        [SAMPLE.name, "178", "0"],
        ["x.json", "178", "3"],
    ]
    assert "first: a trigger too many after number 10 of 178: timestamp" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= WIDTH


def test_verify_as_json_gives_totals_and_files(tmp_path: Path) -> None:
    bad = write(tmp_path, corrupt)
    result = verify("--json", SAMPLE, bad)
    assert result.exit_code == 1
    answer = json.loads(result.stdout)
    assert (answer["triggers"], answer["differences"]) == (2 * SAMPLE_TRIGGERS, 3)
    good, wrong = answer["files"]
    assert good == {
        "file": str(SAMPLE),
        "triggers": SAMPLE_TRIGGERS,
        "differences": 0,
        "first_difference": None,
        "error": None,
    }
    raw = content()["triggers"][10]
    first = wrong["first_difference"]
    assert (first["kind"], first["number"], first["timestamp"]) == ("extra", None, raw[0])
    assert first["expected"] is None
    assert (first["found"]["fine time"], first["found"]["flags"]) == (raw[1], raw[2])


def test_a_missing_trigger_is_explained_with_what_it_is(tmp_path: Path) -> None:
    extra = [*content()["triggers"][0]]
    extra[0] += 1
    result = verify(write(tmp_path, lambda c: c["triggers"].insert(1, extra)))
    assert f"first: trigger 2 of 179 is missing: timestamp {extra[0]} (frame" in result.stdout
    assert f"    fine time: {extra[1]}\n" in result.stdout


def test_a_file_that_cannot_be_read_is_one_line_and_the_others_still_run(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.json"
    foreign.write_text("{}")
    result = verify(foreign, SAMPLE)
    assert result.exit_code == 2
    assert result.stderr == f"ktrig: {foreign}: config: missing; give a golden-vector file that has it\n"
    assert any(line.split() == [SAMPLE.name, "178", "0"] for line in result.stdout.splitlines())
    assert verify(foreign, write(tmp_path, corrupt)).exit_code == 1
    answer = json.loads(verify("--json", foreign, SAMPLE).stdout)
    assert answer["files"][0]["error"].startswith(f"{foreign}: ")
    assert answer["differences"] == 0


def test_verify_cuts_the_input_as_asked() -> None:
    assert verify("--block-frames", "1", SAMPLE).exit_code == 0
    assert verify("--block-frames", "0", SAMPLE).exit_code == 2
