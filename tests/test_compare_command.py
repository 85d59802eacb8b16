"""`ktrig compare`: what it prints and draws, and how it ends."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import Ktrig
from replay_cases import LIMIT_S, random_streams, write
from simulated import simulate

from streams.compare import make_comparison, play
from streams.compare_report import Report, build_report
from streams.plots.compare import draw

SHIPPED = Path(__file__).parents[1] / "trigger" / "menus" / "na62-2018.toml"
A = "na62-2018"


@pytest.fixture(scope="module")
def spill(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """4 ms at 400 MHz: decays pile up, so that menus differ in many ways."""
    path = tmp_path_factory.mktemp("busy") / "spill.h5"
    options = ("--intensity", "400", "--duration", "0.004", "--run", "8764", "--burst", "500", "--no-hits")
    return simulate(path, *options)


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """A menu with a veto less, a narrower cut, a renamed line and a new one."""
    text = (
        SHIPPED.read_text(encoding="utf-8").replace(" & !LKr30", "").replace('"eMT"', '"electrons-and-more"')
    )
    text = text.replace("time_cut_lsb = 64", "time_cut_lsb = 30")
    text += '[[line]]\nname = "n"\ncondition = "RICH & M2"\ndownscaling = 3\n'
    path = tmp_path / "b.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def report(spill: Path, other: Path) -> Report:
    asked = make_comparison(spill, (A, str(other)), None)
    return build_report(asked, play(asked))


def test_the_text_fits_80_columns_and_says_what_differs(spill: Path, other: Path, ktrig: Ktrig) -> None:
    code, out, error = ktrig("compare", "--spill", spill, "--menu", A, "--menu", other)
    assert (code, error) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "na62 run 8764 burst 500, beam from 0.000 to 0.004 s"
    assert lines[1:3] == [f"A  {A}", f"B  {other}"]
    assert max(map(len, lines[3:])) <= 80
    assert "!LKr30 not met in A" in out
    assert "QX seen in A only" in out
    assert "electrons-and-more  no such line" in out
    assert "sums      closed" in lines


def test_a_class_beyond_the_largest_is_one_of_the_others(
    report: Report, ktrig: Ktrig, spill: Path, other: Path
) -> None:
    many = next(
        (line["name"], direction, line["before"][f"{direction}_because"])
        for line in report["lines"]
        for direction in ("lost", "gained")
        if len(line["before"][f"{direction}_because"]) > 5
    )
    name, direction, causes = many
    _code, out, _error = ktrig("compare", "--spill", spill, "--menu", A, "--menu", other)
    head = f"{name}: {sum(c['events'] for c in causes):,} {direction} before downscaling\n"
    shown = out.split(head)[1].splitlines()
    rest = sum(cause["events"] for cause in causes[4:])
    assert any(
        line.split()[1:] == [f"{rest:,}", "other", f"({len(causes) - 4}", "classes)"] for line in shown
    )


def test_json_is_the_report_alone(spill: Path, other: Path, ktrig: Ktrig, report: Report) -> None:
    code, out, error = ktrig("compare", "--spill", spill, "--menu", A, "--menu", other, "--json")
    assert (code, error) == (0, "")
    assert json.loads(out) == json.loads(json.dumps(report, allow_nan=False))
    assert report.keys() == {
        "experiment", "run", "burst", "spill_s", "beam_s", "beam_span_s", "menus", "same_settings",
        "dispatch", "matched_by",
        "window_ns", "lines", "only_in", "overlap", "triggers", "closed",
    }  # fmt: skip
    changed = {
        "common", "lost", "gained", "difference_hz", "difference_error_hz", "ratio", "ratio_error",
    }  # fmt: skip
    causes = {"lost_because", "gained_because"}
    for line in report["lines"]:
        assert line.keys() == {"name", "A", "B", "before", "after", "closed"}
        assert line["before"].keys() == line["after"].keys() == changed | causes
        for cause in line["before"]["lost_because"]:
            assert cause.keys() == {"kind", "why", "events", "share"}
    assert report["triggers"].keys() == changed | {"A", "B", "closed"}
    assert report["overlap"]["A"].keys() == {"lines", "before", "after"}


def test_sums_that_do_not_close_are_exit_code_1(
    spill: Path, ktrig: Ktrig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def open_sums(*arguments: Any) -> Report:
        built = build_report(*arguments)
        built["lines"][2]["closed"] = built["closed"] = False
        return built

    monkeypatch.setattr("streams.compare_report.build_report", open_sums)
    code, out, _error = ktrig("compare", "--spill", spill, "--menu", A, "--menu", A)
    assert code == 1
    assert out.endswith("sums      NOT CLOSED\n          MT: its events do not add up\n")


def test_inactive_lines_and_a_spill_without_primitives_are_said(tmp_path: Path, ktrig: Ktrig) -> None:
    path = write(tmp_path / "x.h5", random_streams(["LKr"], 50, 20), 50)
    code, out, error = ktrig("compare", "--spill", path, "--menu", A, "--menu", A)
    assert (code, error) == (0, "")
    assert out.count("reference RICH is absent: PNN, Non-mu, MT") == 2
    assert out.count("inactive") == 40
    path = write(tmp_path / "y.h5", random_streams(["RICH"], 0, 0), 0)
    code, out, error = ktrig("compare", "--spill", path, "--menu", A, "--menu", A)
    assert (code, error) == (0, "")
    assert "no primitives, so there are no rates" in out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            [],
            2,
            "'--menu': give it twice, first menu A, then menu B (given 0 times); see ktrig compare --help",
        ),
        (["--menu", A], 2, "(given 1 times)"),
        (["--menu", A] * 3, 2, "(given 3 times)"),
        (["--menu", A, "--menu", "none"], 1, "none: no menu of this name ships with ktrig"),
        (["--menu", A, "--menu", A, "--plot", "x.jpg"], 2, "'x.jpg' must end in .png, .svg, .pdf"),
        (["--menu", A, "--menu", A, "--plot", "no/x.png"], 2, "'no' is not a folder"),
        (["--menu", A, "--menu", A, "--block-frames", "0"], 2, "0 is not in the range"),
        (["--menu", A, "--menu", A, "--experiment", "na63"], 1, "na63: no experiment of this name"),
    ],
)
def test_what_is_wrong_is_one_line(
    spill: Path, ktrig: Ktrig, arguments: list[str], code: int, message: str
) -> None:
    ended, out, error = ktrig("compare", "--spill", spill, *arguments)
    assert (ended, out) == (code, "")
    assert error.startswith("ktrig: ")
    assert error.count("\n") == 1
    assert message in error


def test_a_picture_that_cannot_be_written_is_one_line(spill: Path, ktrig: Ktrig, tmp_path: Path) -> None:
    (tmp_path / "x.png").mkdir()
    code, out, error = ktrig(
        "compare", "--spill", spill, "--menu", A, "--menu", A, "--plot", tmp_path / "x.png"
    )
    assert (code, out) == (1, "")
    assert error == f"ktrig: {tmp_path / 'x.png'}: Is a directory\n"


STARTS = {".png": b"\x89PNG\r\n", ".svg": b"<?xml", ".pdf": b"%PDF"}


@pytest.mark.parametrize("suffix", STARTS)
def test_a_picture_is_what_its_suffix_says_and_the_same_each_time(
    report: Report, tmp_path: Path, suffix: str
) -> None:
    first, second = tmp_path / f"a{suffix}", tmp_path / f"b{suffix.upper()}"
    draw(report, first)
    draw(report, second)
    assert first.read_bytes().startswith(STARTS[suffix])
    assert first.read_bytes() == second.read_bytes()


def test_a_picture_names_every_line_and_every_axis(report: Report, tmp_path: Path) -> None:
    path = tmp_path / "x.svg"
    draw(report, path)
    text = path.read_text(encoding="utf-8")
    names = [*(line["name"] for line in report["lines"]), "eMT", "electrons-and-more", "n", "L0 total"]
    for name in [*names, "rate after downscaling (Hz)", "B / A", "A: na62-2018", "B: b"]:
        assert f"<!-- {name} -->" in text


def test_a_picture_of_lines_without_events_or_rates_can_be_drawn(tmp_path: Path) -> None:
    for n, (detectors, frames) in enumerate([(["LKr"], 50), (["RICH", "CHOD"], 20), (["RICH"], 0)]):
        path = write(tmp_path / f"{n}.h5", random_streams(detectors, frames, 20 * bool(frames)), frames)
        asked = make_comparison(path, (A, A), None)
        draw(build_report(asked, play(asked)), tmp_path / f"{n}.png")


def test_matplotlib_is_imported_for_a_picture_alone(spill: Path) -> None:
    code = (
        f"import sys; sys.argv = ['ktrig', 'compare', '--spill', {str(spill)!r}, '--menu', {A!r}, '--menu', {A!r}]\n"
        "from streams.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: print('matplotlib' in sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=LIMIT_S)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.endswith("False\n")
