"""The simulated spill file, and the command that makes it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from streams.catalogue import load_experiment
from streams.cli.main import main
from streams.cli.simulate import command
from streams.simulate.blocks import simulate_blocks
from streams.simulate.settings import SimulationError, SimulationSettings
from streams.simulate.simulation import SpillSimulation
from streams.simulate.write import write_spill
from streams.spill.reader import SpillReader

NA62 = load_experiment("na62")


def small(**changed: Any) -> SimulationSettings:
    defaults = {"intensity_mhz": 10.0, "duration_s": 0.014, "seed": 1, "accidentals": 0.0}
    return SimulationSettings(**{**defaults, **changed})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"intensity_mhz": 0.0}, "intensity is 0 MHz; give more than 0, at most 5000 MHz"),
        ({"intensity_mhz": -750.0}, "intensity is -750 MHz"),
        ({"intensity_mhz": 1e6}, "at most 5000 MHz"),
        ({"intensity_mhz": float("nan")}, "intensity is nan MHz"),
        ({"duration_s": 0.0}, "duration is 0 s; give more than 0, at most 60 s"),
        ({"duration_s": -1.0}, "duration is -1 s"),
        ({"duration_s": float("inf")}, "duration is inf s"),
        ({"seed": -1}, "seed is -1; give a whole number from 0"),
        ({"duty_factor": 1.5}, "duty factor is 1.5; give 0.5 to 1"),
        ({"accidentals": -0.1}, "accidentals is -0.1; give 0 to 100"),
        ({"halo": 1e9}, "halo is 1e.09; give 0 to 100"),
        ({"truth": "all"}, "truth is 'all'; give one of triggered, signal, fiducial"),
        ({"flat": True, "profile": "x.txt"}, "profile 'x.txt' cannot be flat; leave out --flat or --profile"),
    ],
)
def test_settings_that_cannot_be_simulated_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(SimulationError, match=message):
        small(**change)


def test_an_experiment_without_numbers_is_refused() -> None:
    with pytest.raises(SimulationError, match="koto cannot be simulated; there are numbers for na62"):
        SpillSimulation(small(), NA62.model_copy(update={"name": "koto"}))


def test_another_seed_gives_other_primitives() -> None:
    one, other = (next(iter(simulate_blocks(small(seed=s), NA62))).streams["CHOD"] for s in (1, 2))
    assert not np.array_equal(one.words, other.words)


def test_the_file_holds_the_blocks_and_where_they_come_from(tmp_path: Path) -> None:
    asked = small()
    told: list[float] = []
    summary = write_spill(tmp_path / "spill.h5", asked, NA62, run=7, burst=8, progress=told.append)
    assert (told == sorted(told), told[-1]) == (True, 1.0)
    assert summary.n_frames == asked.n_frames
    with SpillReader(tmp_path / "spill.h5") as spill:
        header = spill.header
        assert (header.experiment, header.run, header.burst, header.simulated) == ("na62", 7, 8, True)
        assert header.n_frames == asked.n_frames
        assert header.provenance["options"]["seed"] == asked.seed
        assert header.provenance["options"]["intensity_mhz"] == asked.intensity_mhz
        assert set(header.provenance) == {"command", "options", "version"}
        for read, made in zip(spill.blocks(), simulate_blocks(asked, NA62), strict=True):
            for name, stream in made.streams.items():
                np.testing.assert_array_equal(read.streams[name].words, stream.words)
                np.testing.assert_array_equal(read.streams[name].offsets, stream.offsets)


SHORT = ("--duration", "0.007", "--intensity", "10")


def run(tmp_path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(command, [*arguments, "-o", str(tmp_path / "spill.h5")])


@pytest.mark.needs_jit
def test_the_command_says_nothing_in_a_pipe(tmp_path: Path) -> None:
    result = run(tmp_path, *SHORT)
    assert (result.exit_code, result.output) == (0, "")
    assert (tmp_path / "spill.h5").stat().st_size > 0


@pytest.mark.needs_jit
def test_the_command_prints_one_json_object(tmp_path: Path) -> None:
    result = run(tmp_path, *SHORT, "--no-accidentals", "--json")
    seen = json.loads(result.stdout)
    assert seen["bytes"] == (tmp_path / "spill.h5").stat().st_size
    assert seen["duration_s"] == pytest.approx(0.007, rel=1e-3)
    assert seen["primitives"]["CHOD"] == pytest.approx(10e6 * 0.007 * 0.0160, rel=0.2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--intensity", "-1"), "intensity is -1 MHz"),
        (("--duration", "0"), "duration is 0 s"),
        (("--experiment", "na63"), "na63"),
        (("--signal", "K-pi-Y:br=1"), "there is no decay mode 'K-pi-Y'; did you mean K-pi-X"),
        (("--signal", "K-pi-X:mass=0.2,br=2"), "br is 2; give more than 0, at most 1"),
        (("--signal", "K-pi-X:mass=0.5,br=0.1"), "mass is 0.5 GeV, out of reach"),
        (("--hit-menu", "nothing"), "no menu of this name ships with ktrig"),
        (("--window", "STRAW=5"), "is not NAME=BEGIN:END"),
        (("--profile", "nowhere.txt"), "nowhere.txt: No such file or directory"),
    ],
)
def test_a_bad_option_is_one_line_and_leaves_no_file(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    message: str,
) -> None:
    target = tmp_path / "spill.h5"
    monkeypatch.setattr("sys.argv", ["ktrig", "simulate", *arguments, "-o", str(target)])
    with pytest.raises(SystemExit) as left:
        main()
    error = capsys.readouterr().err
    assert left.value.code == 1
    assert error.startswith("ktrig: ")
    assert message in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.needs_jit
def test_a_spill_has_hits_records_and_truth_unless_they_are_not_wanted(tmp_path: Path) -> None:
    for extra, expected in ((), True), (("--no-hits",), False):
        assert run(tmp_path, "--duration", "0.007", "--intensity", "100", *extra).exit_code == 0
        with SpillReader(tmp_path / "spill.h5") as reader:
            parts = reader.optional
            assert bool(parts.hits) == bool(parts.records) == expected
            if expected:
                assert parts.readout is not None
                assert parts.truth is not None
                assert parts.readout.menu == "na62-2018"
                assert parts.readout.windows["STRAW"] == (-50.0, 275.0)
                assert parts.truth.kept == "triggered"


@pytest.mark.needs_jit
def test_a_signal_is_made_labelled_and_kept(tmp_path: Path) -> None:
    arguments = ("--signal", "K-pi-X:mass=0.2,br=0.5", "--no-halo", "--no-accidentals", "--json")
    result = run(tmp_path, "--duration", "0.007", "--intensity", "100", *arguments)
    seen = json.loads(result.stdout)
    kaons = sum(n for name, n in seen["decays"].items() if name.startswith("K-"))
    n = seen["decays"]["K-pi-X"]
    assert n / kaons == pytest.approx(0.5, abs=4 * np.sqrt(0.25 / kaons))
    with SpillReader(tmp_path / "spill.h5") as reader:
        truth = reader.optional.truth
        assert truth is not None
        assert truth.kept == "signal"
        (mode,) = (mode for mode in truth.modes if mode["signal"])
        assert (mode["name"], mode["parameters"]) == ("K-pi-X", {"mass": 0.2, "to": "inv"})
        assert mode["generated"] == n
        decays = reader.optional.read_records("truth/decays", 0, reader.header.n_frames).records
        assert (decays["mode"] == list(truth.modes).index(mode)).sum() == n


@pytest.mark.needs_jit
def test_a_measured_profile_shapes_the_spill(tmp_path: Path) -> None:
    (tmp_path / "beam.txt").write_text("# s, MHz\n0.000, 1\n0.007 1\n0.0071 3\n0.014 3\n", encoding="ascii")
    options = (
        "--duration",
        "0.014",
        "--intensity",
        "40",
        "--profile",
        str(tmp_path / "beam.txt"),
        "--no-hits",
    )
    assert run(tmp_path, *options).exit_code == 0
    with SpillReader(tmp_path / "spill.h5") as reader:
        stream = reader.read_block(0, reader.header.n_frames).streams["CHOD"]
        counts = np.diff(stream.offsets)
    low, high = (counts[a:b].sum() for a, b in ((0, 1095), (1112, 2191)))
    assert high / low == pytest.approx(3 * 1079 / 1095, abs=4 * 3 * np.sqrt(1 / high + 1 / low))


@pytest.mark.needs_jit
def test_a_recorded_spill_can_be_the_profile_of_another(tmp_path: Path, spill: Path) -> None:
    result = run(
        tmp_path, "--duration", "0.02", "--intensity", "50", "--profile", str(spill), "--no-hits", "--json"
    )
    assert result.exit_code == 0
    assert json.loads(result.stdout)["primitives"]["CHOD"] == pytest.approx(50e6 * 0.02 * 0.0165, rel=0.08)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has 0 points, but a profile needs two; give two numbers a line"),
        ("0 1\n1 2 3\n", "beam.txt:2: '1 2 3' is no point; give two numbers a line"),
        ("0 1\nx 2\n", "beam.txt:2: 'x 2' is no point"),
        ("1 1\n0 2\n", "beam.txt:2: time 0 does not follow 1; sort the points by time"),
        ("0 1\n1 -2\n", "beam.txt:2: intensity -2 must be a number, 0 or more"),
        ("5 1\n6 1\n", "no beam in the 0.01"),
    ],
)
def test_a_wrong_profile_is_an_error_that_names_its_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "beam.txt").write_text(text, encoding="ascii")
    with pytest.raises(SimulationError, match=message):
        SpillSimulation(small(profile=str(tmp_path / "beam.txt")), NA62)


@pytest.mark.needs_jit
def test_a_full_disk_ends_the_simulation_with_one_line_and_no_file(tmp_path: Path) -> None:
    """The largest file that the process may write is the disk."""
    call = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20));"
    call += "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
    call += "from streams.cli.main import main; main()"
    arguments = ["simulate", "--duration", "0.05", "--intensity", "400", "-o", str(tmp_path / "spill.h5")]
    ended = subprocess.run(
        [sys.executable, "-c", call, *arguments], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("ktrig: ")
    assert "cannot be written: File too large; free space or choose another place" in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
