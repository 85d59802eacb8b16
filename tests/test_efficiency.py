"""`ktrig efficiency`: what is counted, what it prints and draws, and how it ends."""

from __future__ import annotations

import json
import math
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from conftest import Ktrig
from naive_efficiency import naive_counts

from streams.efficiency.asked import EfficiencyError, make_asked
from streams.efficiency.counts import Counts
from streams.efficiency.report import Report, build_report, count
from streams.plots.efficiency import draw
from streams.spill import layout
from streams.spill.reader import SpillReader

MENU = "na62-2018"
SHIPPED = Path(__file__).parents[1] / "trigger" / "menus" / "na62-2018.toml"


@pytest.fixture(scope="module")
def counts(signal_spill: Path) -> Counts:
    """Of the spill in pieces of 300 frames."""
    return count(make_asked(signal_spill, MENU, None), piece=300)


@pytest.fixture(scope="module")
def report(signal_spill: Path, counts: Counts) -> Report:
    return build_report(make_asked(signal_spill, MENU, None), counts)


def report_of(spill: Path, menu: str | Path = MENU, **options: Any) -> Report:
    asked = make_asked(spill, str(menu), None, **options)
    return build_report(asked, count(asked))


def row_of(report: Report, mode: str, line: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = [
        row for row in report["rows"] if (row["mode"], row["line"]) == (mode, line)
    ]
    assert len(found) == 1
    return found[0]


def changed(path: Path, *changes: tuple[str, str]) -> Path:
    """The menu with something in it replaced."""
    text = SHIPPED.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")
    return path


def copy_without(spill: Path, path: Path, *parts: str) -> Path:
    """A copy of a spill file without some of its groups."""
    shutil.copy(spill, path)
    with h5py.File(path, "r+") as file:
        for part in parts:
            del file[part]
    return path


# Counts.


def test_counts_are_those_of_the_obvious_search(signal_spill: Path, report: Report) -> None:
    expected = naive_counts(signal_spill, MENU, {"K-pi-nunu"})
    for row in report["rows"]:
        seen = (row["decays"], row["l0_pass"], row["l1_in"] or 0, row["l1_pass"] or 0)
        assert seen == expected[row["mode"], row["line"]], (row["mode"], row["line"])
    shown = {row["mode"] for row in report["rows"]}
    assert all(not any(numbers) for (mode, _), numbers in expected.items() if mode not in shown)
    assert row_of(report, "K-pi-nunu", "PNN")["l1_pass"] > 100
    assert row_of(report, "K-3pi", "MT")["l0_pass"] > 10


@pytest.mark.needs_jit
def test_counts_do_not_depend_on_the_pieces_though_windows_reach_across_seams(
    signal_spill: Path, counts: Counts
) -> None:
    asked = make_asked(signal_spill, MENU, None)
    for other in (count(asked), count(asked, piece=5)):
        assert np.array_equal(other.decays, counts.decays)
        assert np.array_equal(other.passes, counts.passes)
        for name, bins in other.against.items():
            assert np.array_equal(bins.passes, counts.against[name].passes)


def test_decays_of_modes_are_those_that_the_simulation_made(signal_spill: Path, report: Report) -> None:
    with SpillReader(signal_spill) as reader:
        truth = reader.optional.truth
    assert truth is not None
    made = {mode["name"]: mode["generated_fiducial"] for mode in truth.modes if mode["generated_fiducial"]}
    wide = report_of(signal_spill, acceptance="fiducial", lines=["PNN"])
    assert {row["mode"]: row["decays"] for row in wide["rows"]} == made
    narrow = row_of(report, "K-pi-nunu", "PNN")
    assert narrow["acceptance"] == "pinunu"
    assert narrow["decays"] < made["K-pi-nunu"]


def test_bins_have_the_decays_of_the_mode_and_line_that_are_drawn(report: Report) -> None:
    row = row_of(report, "K-pi-nunu", "PNN")
    assert report["drawn"] == row
    for bins in report["against"].values():
        for name in ("decays", "l0_pass", "l1_in", "l1_pass"):
            assert sum(b[name] for b in bins) == row[name]
        assert all(a["to"] == b["from"] for a, b in pairwise(bins))
    momenta = [b for b in report["against"]["momentum"] if b["decays"]]
    assert (momenta[0]["from"], momenta[-1]["to"]) == (15.0, 45.0)


def test_a_decay_that_cannot_fire_a_line_has_an_efficiency_of_0(report: Report) -> None:
    row = row_of(report, "K-pi-nunu", "2muMT")
    assert (row["l0_pass"], row["l0_efficiency"], row["l0_low"]) == (0, 0.0, 0.0)
    assert row["l0_high"] == pytest.approx(1 - 0.15865 ** (1 / row["decays"]), rel=1e-9)
    assert row["l1_efficiency"] is None
    assert row["efficiency"] is None


def test_most_pions_of_pi_nu_nu_pass_both_levels(report: Report) -> None:
    """Loosely: 4 standard deviations of a binomial below what much larger spills give, 0.80 and 0.95."""
    row = row_of(report, "K-pi-nunu", "PNN")
    assert row["l0_efficiency"] > 0.80 - 4 * math.sqrt(0.8 * 0.2 / row["decays"])
    assert row["l1_efficiency"] > 0.95 - 4 * math.sqrt(0.95 * 0.05 / row["l1_in"])


def test_the_product_has_the_errors_of_its_factors_in_squares(report: Report) -> None:
    row = row_of(report, "K-pi-nunu", "PNN")
    a, b = row["l0_efficiency"], row["l1_efficiency"]
    assert row["efficiency"] == a * b
    for side in ("low", "high"):
        parts = ((row[f"l0_{side}"] - a) / a, (row[f"l1_{side}"] - b) / b)
        assert abs(row[side] / (a * b) - 1) == pytest.approx(math.hypot(*parts), rel=1e-9)


def test_what_l1_does_not_look_at_has_the_efficiency_of_l0(report: Report) -> None:
    for line in ("MinBias", "Control"):
        row = row_of(report, "K-pi-pi0", line)
        assert (row["l1_in"], row["l1_pass"], row["l1_efficiency"]) == (None, None, None)
        assert (row["efficiency"], row["low"], row["high"]) == tuple(
            row[f"l0_{name}"] for name in ("efficiency", "low", "high")
        )


# Menus.


def test_downscaling_takes_decays_from_l1_alone(signal_spill: Path, report: Report, tmp_path: Path) -> None:
    every, third = row_of(report, "K-pi-nunu", "PNN"), '!LKr30"\ndownscaling = 3'
    menu = changed(tmp_path / "menu.toml", ('!LKr30"\ndownscaling = 1', third))
    row = row_of(report_of(signal_spill, menu, modes=["K-pi-nunu"]), "K-pi-nunu", "PNN")
    assert row["decays"] == every["decays"]
    # A trigger less lets a later one of its tick through.
    assert every["l0_pass"] <= row["l0_pass"] <= every["l0_pass"] + 3
    assert row["l1_unread"] == 0
    n = every["l0_pass"]
    assert abs(row["l1_in"] - n / 3) < 4 * math.sqrt(n * 2 / 9)


def test_what_reduces_the_rates_of_l1_is_left_out(signal_spill: Path, report: Report, tmp_path: Path) -> None:
    factors = "autopass = 2\nreduction = 3\ndownscaling = 2\nbypass_probability = 0.5"
    steps = '[{run = "KTAG", downscaling = 4}, "!LAV", "STRAW(pnn)"]\nl1_reduction = 2'
    menu = changed(
        tmp_path / "menu.toml", ('straw = "refit"', factors), ('["KTAG", "!LAV", "STRAW(pnn)"]', steps)
    )
    got = report_of(signal_spill, menu, modes=["K-pi-nunu"], lines=["PNN"])["rows"]
    assert got == [row_of(report, "K-pi-nunu", "PNN")]


def test_triggers_that_were_not_read_out_are_counted_apart(
    signal_spill: Path, tmp_path: Path, ktrig: Ktrig
) -> None:
    menu = changed(
        tmp_path / "menu.toml", ('RICH & Q1 & !M1"\ndownscaling = 200', 'RICH & Q1 & !M1"\ndownscaling = 1')
    )
    row = row_of(report_of(signal_spill, menu, modes=["K-pi-pi0"]), "K-pi-pi0", "Non-mu")
    assert row["l1_unread"] > 100
    assert row["l1_unread"] + row["l1_in"] == row["l0_pass"]
    _code, out, _error = ktrig(
        "efficiency", signal_spill, "--menu", menu, "--mode", "K-pi-pi0", "--no-picture"
    )
    assert "L1        sees less: the file did not read out" in out


# Truth.


def relabelled(spill: Path, path: Path, kept: str) -> Path:
    """A copy of a spill file that says that its truth is less."""
    shutil.copy(spill, path)
    with h5py.File(path, "r+") as file:
        file["truth"].attrs["kept"] = layout.fixed(kept)
    return path


def test_truth_of_triggered_decays_gives_l1_alone_and_says_so(
    signal_spill: Path, tmp_path: Path, ktrig: Ktrig
) -> None:
    path = relabelled(signal_spill, tmp_path / "x.h5", "triggered")
    got = report_of(path)
    row = row_of(got, "K-pi-nunu", "PNN")
    assert [row[name] for name in ("decays", "l0_efficiency", "efficiency")] == [None] * 3
    assert row["l1_efficiency"] > 0.5
    assert all(b["l0_efficiency"] is None for bins in got["against"].values() for b in bins)
    code, out, _error = ktrig("efficiency", path, "--mode", "K-pi-nunu", "--picture", tmp_path / "x.png")
    assert code == 0
    assert "has the attribute kept = triggered" in " ".join(out.split())
    assert "simulate with --truth fiducial" in " ".join(out.split())


def test_truth_of_signals_gives_l0_of_the_signals_alone(
    signal_spill: Path, report: Report, tmp_path: Path
) -> None:
    got = report_of(relabelled(signal_spill, tmp_path / "x.h5", "signal"))
    assert row_of(got, "K-pi-nunu", "PNN") == row_of(report, "K-pi-nunu", "PNN")
    assert row_of(got, "K-mu-nu", "MinBias")["l0_efficiency"] is None


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (
            ("truth",),
            "has no /truth, so its decays are not known; give a spill of ktrig simulate --truth fiducial",
        ),
        (
            ("readout", "hits"),
            "has no /readout, so its triggers have no hits for L1; give a spill that was simulated",
        ),
        (("hits",), "has no /hits/KTAG, which L1 of the line PNN asks for; simulate it with all detectors"),
        (("hits/STRAW",), "has no /hits/STRAW, which L1 of the line PNN asks for"),
    ],
)
def test_what_a_file_lacks_is_named_with_a_remedy(
    signal_spill: Path, tmp_path: Path, parts: tuple[str, ...], message: str
) -> None:
    path = copy_without(signal_spill, tmp_path / "x.h5", *parts)
    with pytest.raises(EfficiencyError, match=message) as raised:
        make_asked(path, MENU, None)
    assert str(raised.value).startswith(f"{path}: ")


def test_a_file_of_primitives_has_no_efficiencies(spill: Path, ktrig: Ktrig) -> None:
    code, out, error = ktrig("efficiency", spill)
    assert (code, out) == (1, "")
    assert error.startswith(f"ktrig: {spill}: has no /truth")
    assert error.count("\n") == 1


# The command.


@pytest.mark.needs_jit
def test_the_text_has_a_table_for_each_mode_in_80_columns(signal_spill: Path, ktrig: Ktrig) -> None:
    code, out, error = ktrig("efficiency", signal_spill, "--no-picture")
    assert (code, error) == (0, "")
    assert max(map(len, out.splitlines())) <= 80
    assert "K-pi-nunu (K+ -> pi+ nu nu): " in out
    assert "in the acceptance of pi nu nu" in out
    hidden = int(out.split("hidden    ")[1].split()[0])
    shown = [line for line in out.splitlines() if line.startswith("PNN ")]
    assert 2 <= len(shown) < 8
    code, everything, _error = ktrig("efficiency", signal_spill, "--no-picture", "--all")
    assert "hidden" not in everything
    assert len(everything.splitlines()) > len(out.splitlines()) + hidden - 5


@pytest.mark.needs_jit
def test_json_is_the_report_and_the_name_of_the_picture(
    signal_spill: Path, report: Report, tmp_path: Path, ktrig: Ktrig
) -> None:
    picture = tmp_path / "x.svg"
    code, out, error = ktrig("efficiency", signal_spill, "--json", "--picture", picture)
    assert (code, error) == (0, "")
    assert json.loads(out) == json.loads(json.dumps(report | {"picture": str(picture)}, allow_nan=False))
    assert picture.is_file()


@pytest.mark.needs_jit
def test_modes_and_lines_that_are_named_are_shown_and_the_first_are_drawn(
    signal_spill: Path, ktrig: Ktrig
) -> None:
    chosen = (
        "--mode",
        "K-3pi",
        "--mode",
        "K-mu-nu",
        "--line",
        "MT",
        "--line",
        "PNN",
        "--no-picture",
        "--json",
    )
    code, out, _error = ktrig("efficiency", signal_spill, *chosen)
    got = json.loads(out)
    assert code == 0
    assert [(row["mode"], row["line"]) for row in got["rows"]] == [
        ("K-3pi", "MT"), ("K-3pi", "PNN"), ("K-mu-nu", "MT"), ("K-mu-nu", "PNN"),
    ]  # fmt: skip
    assert (got["drawn"]["mode"], got["drawn"]["line"], got["picture"]) == ("K-3pi", "MT", None)


@pytest.mark.needs_jit
def test_the_picture_is_beside_the_spill_unless_it_is_named(
    signal_spill: Path, tmp_path: Path, ktrig: Ktrig
) -> None:
    path = shutil.copy(signal_spill, tmp_path / "run1.h5")
    code, out, _error = ktrig("efficiency", path, "--mode", "K-pi-nunu")
    assert code == 0
    assert out.splitlines()[-1] == str(tmp_path / "run1.efficiency.png")
    assert (tmp_path / "run1.efficiency.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--mode", "K-pi-nu"], 1, "--mode K-pi-nu: is not in /truth; it has K-mu-nu, "),
        (["--line", "Pnn"], 1, "--line Pnn: is not in the menu na62-2018; it has PNN, "),
        (["--menu", "none"], 1, "none: no menu of this name ships with ktrig"),
        (["--experiment", "na63"], 1, "na63: no experiment of this name"),
        (["--acceptance", "straw"], 2, "'straw' is not one of 'fiducial', 'pinunu'"),
        (["--picture", "x.jpg"], 2, "'x.jpg' must end in .png, .svg, .pdf"),
        (["--picture", "no/x.png"], 2, "'no' is not a folder"),
        (["--picture", "x.png", "--no-picture"], 2, "exclude each other; leave out one of them"),
    ],
)
def test_what_is_wrong_is_one_line(
    signal_spill: Path, ktrig: Ktrig, arguments: list[str], code: int, message: str
) -> None:
    ended, out, error = ktrig("efficiency", signal_spill, *arguments)
    assert (ended, out) == (code, "")
    assert error.startswith("ktrig: ")
    assert error.count("\n") == 1
    assert message in error


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_a_picture_is_the_same_each_time(report: Report, tmp_path: Path, suffix: str) -> None:
    first, second = tmp_path / f"a{suffix}", tmp_path / f"b{suffix.upper()}"
    draw(report, first)
    draw(report, second)
    assert first.read_bytes() == second.read_bytes()


def test_a_picture_of_nothing_can_be_drawn(signal_spill: Path, tmp_path: Path) -> None:
    got = report_of(signal_spill, modes=["K-pi-4e"])
    assert got["rows"][0]["decays"] == 0
    draw(got, tmp_path / "x.png")
    draw(got | {"drawn": None, "against": {name: [] for name in got["against"]}}, tmp_path / "y.png")
