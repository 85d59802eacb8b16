"""The simulated spill file, and the command that makes it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from streams.catalogue import load_experiment
from streams.cli.main import main
from streams.cli.simulate import command
from streams.simulate.blocks import SpillSimulation, simulate_blocks
from streams.simulate.settings import SimulationError, SimulationSettings
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
        ({"cluster_ns": -1.0}, "cluster length in ns is -1; give 0 to 1000"),
    ],
)
def test_settings_that_cannot_be_simulated_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(SimulationError, match=message):
        small(**change)


def test_an_experiment_without_a_response_table_is_refused() -> None:
    with pytest.raises(SimulationError, match="no response table for koto; tables exist for na62"):
        SpillSimulation(small(), NA62.model_copy(update={"name": "koto"}))


def test_the_same_seed_gives_the_same_file_for_any_number_of_workers(tmp_path: Path) -> None:
    contents = []
    for name, seed, workers in (("a", 1, 1), ("b", 1, 2), ("c", 2, 1)):
        write_spill(tmp_path / name, small(seed=seed), NA62, workers=workers)
        contents.append((tmp_path / name).read_bytes())
    assert contents[0] == contents[1]
    assert contents[0] != contents[2]


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


def test_the_command_says_nothing_in_a_pipe(tmp_path: Path) -> None:
    result = run(tmp_path, *SHORT)
    assert (result.exit_code, result.output) == (0, "")
    assert (tmp_path / "spill.h5").stat().st_size > 0


def test_the_command_prints_one_json_object(tmp_path: Path) -> None:
    result = run(tmp_path, *SHORT, "--no-accidentals", "--json")
    seen = json.loads(result.stdout)
    assert seen["bytes"] == (tmp_path / "spill.h5").stat().st_size
    assert seen["duration_s"] == pytest.approx(0.007, rel=1e-3)
    assert seen["primitives"]["CHOD"] == pytest.approx(10e6 * 0.007 * 0.01556, rel=0.2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--intensity", "-1"), "intensity is -1 MHz"),
        (("--duration", "0"), "duration is 0 s"),
        (("--experiment", "na63"), "na63"),
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
