"""Snapshots of the monitors: what is written is read, by others too, and what is damaged is refused."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hist
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from snapshot_cases import BINS, HIGH, LOW, empty_snapshot, full_snapshot, history_row, scan, search, spectrum

from streams.monitors.intensity import SpillQuality
from streams.monitors.snapshot import (
    MOST_SPILLS,
    ScanRows,
    SearchResult,
    Snapshot,
    SnapshotError,
    histogram_name,
)
from streams.monitors.snapshot_file import read_snapshot, write_snapshot
from streams.monitors.uhi import from_uhi, to_uhi

SPILL = {"quality": "good", "intensity": {"edges_s": [0.0, 0.005], "mhz": [612.345678, None]}}


@pytest.fixture(scope="module")
def full() -> Snapshot:
    return full_snapshot(SPILL, step_gev=5e-3)


@pytest.fixture
def path(tmp_path: Path, full: Snapshot) -> Path:
    path = tmp_path / "monitors.json"
    write_snapshot(path, full)
    return path


def edited(path: Path, edit: Callable[[dict[str, Any]], object]) -> Path:
    """Change the content of a file."""
    content = json.loads(path.read_text(encoding="utf-8"))
    edit(content)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def refusal(path: Path) -> str:
    """The one line in which a file is refused; it names the file."""
    with pytest.raises(SnapshotError) as refused:
        read_snapshot(path)
    message = str(refused.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


def test_a_snapshot_is_read_as_it_was_written(path: Path, full: Snapshot, tmp_path: Path) -> None:
    assert read_snapshot(path) == full
    write_snapshot(tmp_path / "empty.json", empty_snapshot())
    assert read_snapshot(tmp_path / "empty.json") == empty_snapshot()


def test_the_same_content_gives_the_same_bytes_in_whatever_order_it_came(path: Path, full: Snapshot) -> None:
    turned = dict(reversed(full.histograms.items()))
    again = path.with_name("again.json")
    write_snapshot(again, full.model_copy(update={"histograms": turned}))
    assert again.read_bytes() == path.read_bytes()
    write_snapshot(again, read_snapshot(path))
    assert again.read_bytes() == path.read_bytes()


def test_a_file_that_was_only_laid_out_anew_is_read(path: Path, full: Snapshot) -> None:
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")), indent=2), encoding="utf-8")
    assert read_snapshot(path) == full


def test_counts_are_kept_exactly_and_fractions_to_six_digits(path: Path) -> None:
    counts = np.array([0, 2**62, 1, 0], np.int64)
    histograms = {"busy": to_uhi(counts, 1 / 3, 2 / 3)}
    rows = scan(spectrum(100.0), 100.0)
    fitted = rows.model_copy(update={"fitted_density": None})
    one = search("busy", counts, fitted)
    snapshot = Snapshot(experiment="na62", menu="m", menu_hash="", searches=(one,), histograms=histograms)
    write_snapshot(path, snapshot)
    found = read_snapshot(path)
    back, low, high = from_uhi(found.histograms["busy"])
    assert (back == counts).all()
    assert (low, high) == (1 / 3, 2 / 3)
    scanned = found.searches[0].scan
    assert scanned is not None
    masses = np.concatenate([np.arange(0.0, 0.110, 1e-3), np.arange(0.154, 0.260, 1e-3)])
    np.testing.assert_allclose(np.array(scanned.at, float), masses**2, rtol=5e-6)
    assert scanned.at[7] == 4.9e-5


def test_what_is_not_finite_is_not_known() -> None:
    rows = scan(spectrum(100.0), 100.0).model_dump() | {
        "mass_gev": [0.1, 0.2],
        "at": np.array([np.nan, 0.04]),
    }
    short = {key: row[:2] if row is not None else None for key, row in rows.items()}
    short |= {"z": np.array([np.inf, -np.inf]), "n": np.array([3, 4])}
    read = type(scan(spectrum(100.0), 100.0)).model_validate(short)
    assert (read.at, read.z, read.n) == ((None, 0.04), (None, None), (3.0, 4.0))


def test_hist_reads_a_spectrum_in_one_line(path: Path, full: Snapshot) -> None:
    histogram = hist.Hist(json.loads(path.read_text(encoding="utf-8"))["histograms"]["excess"])
    counts, _low, _high = from_uhi(full.histograms["excess"])
    np.testing.assert_array_equal(histogram.view(flow=True), counts)
    assert (histogram.axes[0].edges[0], histogram.axes[0].edges[-1]) == pytest.approx((LOW, HIGH), rel=1e-12)
    assert (histogram.axes[0].size, histogram.axes[0].name, histogram.axes[0].label) == (BINS, "excess", "m2")
    assert histogram.storage_type is hist.storage.Int64


def test_a_spectrum_has_the_form_that_hist_gives_its_own() -> None:
    ours = to_uhi(np.arange(6), 0.0, 0.5, "m_gg", "mass (GeV)").model_dump()
    theirs = hist.Hist(ours)._to_uhi_()
    assert theirs.pop("writer_info")
    theirs["storage"] = {**theirs["storage"], "values": tuple(theirs["storage"]["values"].tolist())}
    assert theirs == {**ours, "axes": list(ours["axes"])}


@given(
    st.lists(st.integers(0, 2**62), min_size=3, max_size=40),
    st.floats(-1e3, 1e3),
    st.floats(1e-6, 1e3),
)
def test_a_histogram_has_the_counts_and_the_axis_it_was_made_of(
    counts: list[int], low: float, width: float
) -> None:
    back, begin, end = from_uhi(to_uhi(np.array(counts, np.int64), low, low + width))
    assert back.tolist() == counts
    assert back.dtype == np.int64
    assert (begin, end) == (low, low + width)


def test_halves_of_a_spectrum_add_up(full: Snapshot) -> None:
    parts = {part: from_uhi(full.histograms[histogram_name("busy", part)])[0] for part in ("", "even", "odd")}
    assert (parts["even"] + parts["odd"] == parts[""]).all()


def test_a_snapshot_of_fifteen_searches_is_below_two_megabytes(full: Snapshot, tmp_path: Path) -> None:
    """Of 2000 bins each, 300 masses in all but three; with a full history and a spill of 4.8 s in bins of 1 ms."""
    counts = spectrum(2000.0)
    rows = scan(counts, 2000.0, step_gev=0.72e-3)
    assert 290 < len(rows.mass_gev) < 310
    names = [f"search_{number:02}" for number in range(15)]
    spectra = {histogram_name(name, part): full.histograms[histogram_name("busy", part)]
               for name in names for part in ("", "even", "odd", "spill")}  # fmt: skip
    noise = np.random.default_rng(1).normal(500.0, 50.0, 4800)
    big = full.model_copy(
        update={
            "searches": tuple(
                search(name, counts, rows).model_copy(update={} if row < 12 else {"scan": None})
                for row, name in enumerate(names)
            ),
            "histograms": spectra,
            "history": tuple(history_row(index, spectra) for index in range(MOST_SPILLS)),
        }
    ).model_dump()
    big["spill"] = {"edges_s": np.arange(4800) * 1e-3} | {f"detector{k}": noise for k in range(8)}
    path = tmp_path / "big.json"
    write_snapshot(path, Snapshot.model_validate(big))
    assert path.stat().st_size < 2_000_000
    assert len(read_snapshot(path).searches) == 15


def test_a_file_that_is_cut_anywhere_is_refused(path: Path) -> None:
    whole = path.read_bytes()
    for cut in [0, 1, 2, *range(3, len(whole) - 1, len(whole) // 23), len(whole) - 3, len(whole) - 2]:
        path.write_bytes(whole[:cut])
        message = refusal(path)
        assert "is not whole JSON (" in message
        assert message.endswith("; put back a copy of it, or move it away and begin anew")


def test_a_file_with_one_other_digit_is_refused(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    digits = [found.start() for found in re.finditer(r"\d", text)]
    for place in np.random.default_rng(3).choice(digits, 40, replace=False):
        other = str((int(text[place]) + 1) % 10)
        path.write_text(text[:place] + other + text[place + 1 :], encoding="utf-8")
        refusal(path)


def test_a_file_with_one_other_byte_is_refused(path: Path) -> None:
    whole = path.read_bytes()
    generator = np.random.default_rng(4)
    for place in generator.choice(len(whole) - 1, 40, replace=False):
        damaged = bytearray(whole)
        damaged[place] ^= int(generator.integers(1, 256))
        path.write_bytes(bytes(damaged))
        refusal(path)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda c: c.update(format="x"), 'format: must be "ktrig-monitors" (is "x"); give one that'),
        (lambda c: c.update(version=2), "version: must be 1 (is 2); read it with the ktrig that wrote it"),
        (lambda c: c.pop("crc32"), "crc32: missing; "),
        (lambda c: c.update(spills=13), "crc32: the content is not what was written: must be "),
        (lambda c: c.pop("menu"), "menu: missing; "),
        (lambda c: c.update(menus=1), "menus: there is no such field; "),
        (lambda c: c.update(spills=-1), "spills: must be greater than or equal to 0 (is -1); "),
        (lambda c: c.update(spills="12"), 'spills: must be a valid integer (is "12"); '),
        (lambda c: c.update(spills=True), "spills: must be a valid integer (is true); "),
        (lambda c: c["channels"][1]["busy"].update(frames=-1), "channels[2].busy.frames: must be greater "),
        (lambda c: c["channels"][1]["busy"].update(frames=0.5), "channels[2].busy.frames: must be a valid integer"),
        (lambda c: c["searches"][1].update(active="yes?"), "searches[2].active: must be a valid boolean"),
        (lambda c: c["searches"][0].update(unit="MeV"), "searches[1].unit: must be 'GeV' or 'GeV2' (is \"MeV\"); "),
        (lambda c: c["searches"][0].update(name="a b"), "searches[1].name: "),
        (lambda c: c["searches"][1].update(name="busy"), 'searches[2].name: must be there once (is "busy"); '),
        (lambda c: c["searches"][0]["scan"]["z"].pop(), "searches[1].scan.z: must have 44 entries, as mass_gev (has"),
        (
            lambda c: c["searches"][0]["scan"]["z"].__setitem__(3, "x"),
            'searches[1].scan.z[4]: must be a valid number (is "x"); ',
        ),
        (
            lambda c: c["searches"][0]["scan"]["mass_gev"].__setitem__(0, None),
            "searches[1].scan.mass_gev[1]: must be a number (is null); ",
        ),
        (
            lambda c: c["searches"][0]["scan"]["fitted_density"].pop(),
            "searches[1].scan.fitted_density: must have 2000 entries, as the axis of its histogram (has 1999); ",
        ),
        (lambda c: c["histograms"].pop("busy"), "histograms.busy: missing; an active search has its spectrum here; "),
        (
            lambda c: c["histograms"]["busy/odd"]["storage"]["values"].pop(),
            'histograms."busy/odd".storage.values: must have 2002 entries, as the axis (has 2001); ',
        ),
        (
            lambda c: c["histograms"]["busy"]["axes"][0].update(upper=-1.0),
            "histograms.busy.axes[1].upper: must be above lower, -0.05 (is -1.0); ",
        ),
        (lambda c: c["histograms"]["busy"].update(uhi_schema=2), "histograms.busy.uhi_schema: must be 1 (is 2); "),
        (lambda c: c["history"][0].update(burst=1.5), "history[1].burst: must be a valid integer (is 1.5); "),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_place(
    path: Path, edit: Callable[[dict[str, Any]], object], message: str
) -> None:
    assert f"{path}: {message}" in refusal(edited(path, edit))


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"\xff{}", "byte 0 is not text in UTF-8; put back"),
        (b"[1]", "must be an object (is [1]); give one that `ktrig replay --snapshot` wrote"),
        (b'{"a":NaN}', "is not JSON (NaN is not a number); put back"),
        (b'{"a" 1}', "is not whole JSON (at character 5: Expecting ':' delimiter); put back"),
        (b"[" * 100_000, "is not JSON ("),
    ],
)
def test_what_is_no_snapshot_at_all_is_refused(path: Path, raw: bytes, message: str) -> None:
    path.write_bytes(raw)
    assert f"{path}: {message}" in refusal(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert "No such file or directory; give one that `ktrig replay --snapshot` wrote" in refusal(
        tmp_path / "nowhere.json"
    )


def test_a_disk_that_is_full_leaves_the_snapshot_before(
    path: Path, full: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = path.read_bytes()

    def full_disk(_number: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(
        SnapshotError, match=r"monitors\.json: cannot be written \(No space left on device\); name a"
    ):
        write_snapshot(path, full.model_copy(update={"spills": 13}))
    assert path.read_bytes() == before
    assert sorted(path.parent.iterdir()) == [path]


def test_a_snapshot_has_its_name_only_once_it_is_whole_on_the_disk(
    path: Path, full: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    sync, replace = os.fsync, Path.replace

    def synced(number: int) -> None:
        steps.append(f"sync {Path(f'/proc/self/fd/{number}').readlink().name}")
        sync(number)

    def replaced(self: Path, target: Path) -> Path:
        steps.append(f"{self.name} to {target.name}")
        return replace(self, target)

    monkeypatch.setattr("os.fsync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    write_snapshot(path, full)
    partial = "monitors.json.partial"
    assert steps == [f"sync {partial}", f"{partial} to monitors.json", f"sync {path.parent.name}"]


def test_a_folder_that_is_not_there_is_named(full: Snapshot, tmp_path: Path) -> None:
    with pytest.raises(
        SnapshotError, match=r"nowhere/m\.json: cannot be written \(No such file or directory\)"
    ):
        write_snapshot(tmp_path / "nowhere" / "m.json", full)


def test_a_search_is_found_by_its_name_or_the_error_names_one_like_it(full: Snapshot) -> None:
    assert full.search("few").name == "few"
    with pytest.raises(SnapshotError, match=r'search "bussy" is not in the snapshot; did you mean busy\?'):
        full.search("bussy")
    with pytest.raises(
        SnapshotError, match=r"search \"qqqqq\" .*; it has busy, excess, few, none, k_pi_gg, k2pi"
    ):
        full.search("qqqqq")
    with pytest.raises(SnapshotError, match="it has none"):
        empty_snapshot().search("few")


def test_a_history_that_is_too_long_is_an_error(full: Snapshot) -> None:
    rows = [history_row(index, {}) for index in range(MOST_SPILLS + 1)]
    with pytest.raises(ValidationError, match="at most 1000"):
        Snapshot.model_validate(full.model_dump() | {"history": rows})


DOCUMENT = (Path(__file__).parents[1] / "docs" / "monitors-snapshot.md").read_text(encoding="utf-8")


def fields(first: str) -> list[str]:
    """The fields in the table of the document whose first row begins with `first`."""
    rows = DOCUMENT[DOCUMENT.index(f"\n| `{first}`") + 1 :].partition("\n\n")[0].splitlines()
    return [name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])]


def test_the_fields_in_the_document_are_those_of_the_code() -> None:
    assert sorted(fields("format")) == sorted(["format", "version", "crc32", *Snapshot.model_fields])
    assert sorted(fields("name")) == sorted(SearchResult.model_fields)
    assert sorted(fields("mass_gev")) == sorted(ScanRows.model_fields)
    assert set(fields("grade")) < {field.name for field in dataclasses.fields(SpillQuality)}


def test_the_code_in_the_document_reads_a_spectrum(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    (code,) = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
    found: dict[str, Any] = {}
    exec(code.replace("k_pi_x", "busy"), found)
    assert found["histogram"].sum(flow=True) == sum(
        found["snapshot"]["histograms"]["busy"]["storage"]["values"]
    )
