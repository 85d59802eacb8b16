"""The pictures of the monitors: what they say, what they show of the last spill, and that all can be drawn."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn import lines, plot, stairs, xy
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle, StepPatch
from snapshot_cases import (
    INACTIVE,
    empty_snapshot,
    excess,
    full_snapshot,
    spill_report,
)

from streams.monitors.snapshot import Snapshot, plain
from streams.monitors.snapshot_file import write_snapshot
from streams.plots.monitors import draw_overview, draw_search
from streams.plots.monitors_spill import draw_spill


@pytest.fixture(scope="module")
def full() -> Snapshot:
    return full_snapshot(spill_report(), step_gev=4e-3)


def spill_panels(report: dict[str, Any], full: Snapshot) -> list[Axes]:
    panels = list(Figure().subplots(1, 4))
    draw_spill(panels, full.model_copy(update={"spill": plain(report)}))
    return panels


def test_the_intensity_of_the_report_is_drawn_with_its_quality(full: Snapshot) -> None:
    report = spill_report()
    axes = spill_panels(report, full)[0]
    drawn = stairs(axes)
    for name in ("CHOD", "GTK"):
        np.testing.assert_allclose(
            drawn[name], np.array(report["series"]["intensity_mhz"][name], float), rtol=1e-5
        )
    assert len([p for p in axes.patches if isinstance(p, StepPatch)]) == 4
    assert lines(axes)["gap"][:, 0] == pytest.approx([0.399], abs=1e-3)
    head, figures = axes.get_title().splitlines()
    assert head.startswith("run 9000 burst 12: poor (gaps: 1, ")
    assert figures.startswith(f"duty factor {report['beam']['duty']['plateau_5ms']['declustered']:.3f} (raw ")


def test_amplitudes_are_drawn_in_per_cent_with_the_level_of_the_noise(full: Snapshot) -> None:
    report = spill_report()
    axes = spill_panels(report, full)[1]
    assert [text.get_text() for text in axes.get_xticklabels()] == [
        "10",
        "50",
        "100",
        "150",
        "300",
        "600",
        "turn",
    ]
    heights = [bar.get_height() for bar in axes.patches if isinstance(bar, Rectangle)]
    harmonics = [*report["beam"]["harmonics"], report["beam"]["turn"]]
    assert heights == pytest.approx([100 * line["amplitude"] for line in harmonics], rel=1e-5)
    assert heights[2] == pytest.approx(12, abs=0.5)
    noise = [xy(line)[0, 1] for line in axes.get_lines() if line.get_linewidth() == 2]
    assert noise == pytest.approx([100 * line["noise"] for line in harmonics], rel=1e-5)


def test_lines_that_a_short_spill_does_not_resolve_are_not_measured(full: Snapshot) -> None:
    axes = spill_panels(spill_report(3 * 1024), full)[1]
    assert len([bar for bar in axes.patches if isinstance(bar, Rectangle)]) == 3
    assert [text.get_text() for text in axes.texts] == [" not measured"] * 4


def test_the_live_fraction_is_drawn_along_the_spill(full: Snapshot) -> None:
    report = spill_report()
    axes = spill_panels(report, full)[2]
    (live,) = stairs(axes).values()
    np.testing.assert_allclose(live, np.array(report["series"]["live"], float), rtol=1e-5)
    assert axes.get_title() == f"live fraction: {report['live']:.4g} of the spill"


def test_the_history_has_the_duty_factor_of_each_spill_by_its_quality(full: Snapshot) -> None:
    found = lines(spill_panels({}, full)[3])
    assert {name: points[:, 0].tolist() for name, points in found.items()} == {
        "good": [0, 1, 2, 3, 5, 6, 7, 8, 10],
        "poor": [4, 9],
    }


@pytest.mark.parametrize(
    "report",
    [
        {},
        {"grade": None, "beam": None, "series": None},
        {"beam": 3, "series": [], "reasons": "x", "live": "y", "detector": []},
        {
            "beam": {"harmonics": [None, {}], "gaps": [1], "turn": {}, "spike": {"spike": 1}},
            "series": {"edges_s": [0]},
        },
        {
            "series": {
                "edges_s": [0, 1],
                "live": [None],
                "intensity_mhz": {"CHOD": [None], "GTK": ["x"], "LKr": []},
            }
        },
    ],
)
def test_what_is_missing_in_a_report_is_left_out(report: dict[str, Any], full: Snapshot) -> None:
    figure = Figure()
    draw_spill(list(figure.subplots(1, 4)), full.model_copy(update={"spill": plain(report)}))
    figure.savefig(io.BytesIO())


def texts(figure: Path) -> str:
    """All text of an SVG: its labels are drawn as shapes, with what they are in comments."""
    lines = figure.read_text(encoding="utf-8").splitlines()
    return "\n".join(line.strip()[5:-4] for line in lines if line.strip().startswith("<!-- "))


def test_the_overview_says_what_each_search_shows_and_why_one_does_not(
    full: Snapshot, tmp_path: Path
) -> None:
    path = tmp_path / "a.svg"
    draw_overview(full, path)
    found = texts(path)
    assert "na62, menu na62-2018: 12 spills, 1 not to the end; decays of kaons: 3.2e+09 (k2pi)" in found
    assert f"{full.search('few').selected} selected" in found
    assert "ALARM: " in found
    assert "the spill file has no clusters: simulate" in found


def test_a_page_says_what_the_search_rides_on_and_what_raised_the_alarm(
    full: Snapshot, tmp_path: Path
) -> None:
    path = tmp_path / "a.svg"
    draw_search(full, "excess", path)
    found = texts(path)
    assert "na62, line PNN of na62-2018, 12 spills, 1 not to the end, normalised to k2pi: " in found
    assert "ALARM: global p-value below 1e-3" in found


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
@pytest.mark.parametrize("page", [(), ("--search", "excess")])
def test_a_snapshot_is_drawn_the_same_each_time(
    full: Snapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, page: tuple[str, ...]
) -> None:
    snapshot = full.model_copy(update={"searches": (full.search("excess"), INACTIVE)})
    write_snapshot(tmp_path / "m.json", snapshot)
    pictures = [tmp_path / f"{name}{suffix}" for name in "ab"]
    for picture in pictures:
        assert plot(monkeypatch, "monitors", tmp_path / "m.json", *page, "-o", picture) == 0
    assert pictures[0].read_bytes() == pictures[1].read_bytes()
    assert pictures[0].stat().st_size > 10_000


def test_every_kind_of_search_has_a_page(
    full: Snapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_snapshot(tmp_path / "m.json", full)
    assert plot(monkeypatch, "monitors", tmp_path / "m.json", "--search", "all") == 0
    pages = [tmp_path / f"m.{found.name}.png" for found in full.searches]
    assert capsys.readouterr().out.splitlines() == [str(page) for page in pages]
    assert all(page.stat().st_size > 5_000 for page in pages)
    assert not (tmp_path / "m.png").exists()


def test_pages_of_two_searches_have_their_names(
    full: Snapshot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_snapshot(tmp_path / "m.json", full)
    output = tmp_path / "x.svg"
    arguments = ("--search", "k2pi", "--search", "k_pi_gg", "--search", "k2pi", "-o", output)
    assert plot(monkeypatch, "monitors", tmp_path / "m.json", *arguments) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"m.json", "x.k2pi.svg", "x.k_pi_gg.svg"}


def test_a_snapshot_from_before_the_first_spill_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_snapshot(tmp_path / "m.json", empty_snapshot())
    assert plot(monkeypatch, "monitors", tmp_path / "m.json") == 0
    assert (tmp_path / "m.png").stat().st_size > 5_000


def test_a_search_without_any_mass_that_could_be_scanned_is_drawn(full: Snapshot, tmp_path: Path) -> None:
    found, rows = excess(full)
    lost = {
        name: (None,) * len(rows.mass_gev) for name in ("n", "z", "p_local", "limit", "limit_br", "signal")
    }
    expected = ((None,) * 5,) * len(rows.mass_gev)
    found, _ = excess(full, **lost, expected=expected, expected_br=expected, fitted_density=None)
    only = full.model_copy(update={"searches": (found.model_copy(update={"largest": None}),)})
    draw_overview(only, tmp_path / "a.png")
    draw_search(only, "excess", tmp_path / "b.png")
    assert (tmp_path / "b.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("arguments", "message", "code"),
    [
        (("nowhere.json",), "nowhere.json: No such file or directory", 1),
        (("m.json", "-o", "x.gif"), "'x.gif' must end in .png, .svg, .pdf", 2),
        (("m.json", "--search", "exces"), 'search "exces" is not in the snapshot; did you mean excess?', 1),
        (("cut.json",), "cut.json: is not whole JSON (it ends too early: ", 1),
    ],
)
def test_what_cannot_be_drawn_is_one_line(
    full: Snapshot,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    message: str,
    code: int,
) -> None:
    write_snapshot(tmp_path / "m.json", full)
    (tmp_path / "cut.json").write_bytes((tmp_path / "m.json").read_bytes()[:-3])
    monkeypatch.chdir(tmp_path)
    assert plot(monkeypatch, "monitors", *arguments) == code
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
