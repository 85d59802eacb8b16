"""Replays: one answer from every engine and any size of block, and what comes of spills that lack something."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
from click.testing import CliRunner
from replay_cases import (
    StageFailed,
    alone,
    physics,
    random_streams,
    record,
    replay_threads,
    request,
    spill_of,
    write,
)
from required import recorded_primitives

from streams.cli.import_ import command as import_command
from streams.report import Report
from streams.spill.reader import SpillReader
from streams.stages import processes
from streams.stages.inline import replay_inline
from streams.stages.local import replay_processes
from streams.stages.request import Request, Watcher
from streams.wire.message import Buffer
from streams.wire.sender import Sender
from trigger.clock import FRAME_S
from trigger.l0.processor import L0Processor
from trigger.l0.registers import CONTROL, compile_registers
from trigger.l0.triggers import Triggers, join_triggers

WHOLE = 10**6
"""More frames than any spill here has."""

Engine = Callable[[Request, Watcher], Report]
ENGINES = pytest.mark.parametrize(
    "replay", [replay_inline, pytest.param(replay_processes, marks=pytest.mark.needs_jit)]
)


@pytest.fixture(scope="module")
def inline(spill: Path) -> Report:
    """The report of the small spill, replayed in this process with blocks of the usual size."""
    return replay_inline(request(spill), Watcher())


@pytest.fixture(scope="module")
def direct(spill: Path) -> tuple[L0Processor, Triggers]:
    """The L0 processor, fed with the small spill as one block, and its triggers."""
    wanted = request(spill)
    with SpillReader(spill) as reader:
        registers = compile_registers(wanted.menu, wanted.experiment, reader.detectors)
        processor = L0Processor(registers, wanted.experiment.inputs)
        parts = [processor.process(reader.read_block(0, reader.header.n_frames)), processor.finish()]
    return processor, join_triggers(parts)


def test_processes_give_the_report_of_one_process(spill: Path, inline: Report) -> None:
    for transport in ("ipc", "tcp"):
        report = replay_processes(request(spill, transport=transport), Watcher())
        assert physics(report) == physics(inline)
        assert report["restarts"] == {}


@pytest.mark.parametrize("block_frames", [1, 7, pytest.param(WHOLE, marks=pytest.mark.needs_jit)])
def test_any_size_of_block_gives_the_same_report(spill: Path, inline: Report, block_frames: int) -> None:
    report = replay_inline(request(spill, block_frames=block_frames), Watcher())
    assert physics(report) == physics(inline)


@pytest.mark.needs_jit
@pytest.mark.parametrize("block_frames", [7, 1024, WHOLE])
def test_any_size_of_block_gives_the_same_report_over_links(
    spill: Path, tmp_path: Path, inline: Report, block_frames: int
) -> None:
    report = replay_threads(tmp_path, request(spill, block_frames=block_frames))
    assert alone(report) == spill_of(inline)
    n_frames = round(inline["spill_s"] / FRAME_S)
    assert set(report["blocks"].values()) == {-(-n_frames // block_frames)}


def test_any_speed_gives_the_same_report(spill: Path, inline: Report) -> None:
    assert physics(replay_inline(request(spill, speed=3.0), Watcher())) == physics(inline)


@pytest.mark.parametrize("block_frames", [100, pytest.param(WHOLE, marks=pytest.mark.needs_jit)])
def test_the_triggers_that_reach_the_monitor_are_those_of_the_processor(
    spill: Path, tmp_path: Path, direct: tuple[L0Processor, Triggers], block_frames: int
) -> None:
    outputs, end = record(tmp_path, request(spill, block_frames=block_frames))
    seen = join_triggers([output.triggers for output in outputs])
    processor, triggers = direct
    assert len(seen) > 500
    for name in ("time_lsb", "flags", "word"):
        np.testing.assert_array_equal(getattr(seen, name), getattr(triggers, name))
    assert outputs[-1].counts.account == processor.account
    assert end.stages["l0"].primitives == end.stages["source"].primitives


def test_the_lines_are_counted_as_the_processor_counts_them(
    inline: Report, direct: tuple[L0Processor, Triggers]
) -> None:
    processor, triggers = direct
    rows = [*range(len(inline["lines"]) - 1), CONTROL]
    for row, line in zip(rows, inline["lines"], strict=True):
        assert line["before"] == processor.before_downscaling[row] > 0, line["name"]
        assert line["after"] == processor.after_downscaling[row] == line["before"] // line["downscaling"]
        assert line["lost_same_tick"] == processor.lost_same_tick[row]
    assert inline["l0_triggers"] == len(triggers)


def test_a_report_says_what_was_played_and_that_nothing_was_lost(spill: Path, inline: Report) -> None:
    with SpillReader(spill) as reader:
        assert inline["primitives"] == reader.primitives_per_detector
        assert inline["spill_s"] == reader.header.n_frames * FRAME_S
    assert (inline["run"], inline["burst"], inline["experiment"]) == (8764, 500, "na62")
    assert (inline["lost_in_transport"], inline["redelivered_blocks"], inline["malformed_messages"]) == (
        0,
        0,
        0,
    )
    assert (inline["redone"], inline["interrupted"], inline["late_s"]) == (0, False, None)
    assert inline["ledger_closed"] is True
    assert inline["peak_pss_mib"] > 10
    assert inline["achieved_speed"] == inline["spill_s"] / inline["elapsed_s"]
    assert inline["intensity_mhz"] == pytest.approx(50, rel=0.05)
    for line in inline["lines"]:
        assert line["rate_before_hz"] == line["before"] / inline["beam_s"]
        assert line["rate_after_hz"] == line["after"] / inline["beam_s"]
        assert line["rate_before_error_hz"] > 0 < line["rate_after_error_hz"]


@ENGINES
def test_a_replay_at_speed_1_takes_the_time_of_the_spill(tmp_path: Path, replay: Engine) -> None:
    n_frames = round(0.3 / FRAME_S)
    path = write(tmp_path / "sparse.h5", random_streams(["RICH"], n_frames, 100), n_frames)
    report = replay(request(path, speed=1.0, block_frames=4096), Watcher())
    assert 0.5 < report["achieved_speed"] <= 1.0
    assert report["elapsed_s"] >= 0.3


def test_progress_is_told_and_ends_at_the_whole_spill(spill: Path) -> None:
    told: list[float] = []
    replay_inline(request(spill), Watcher(progress=told.append))
    assert told == sorted(told)
    assert told[0] == pytest.approx(1024 * FRAME_S / 0.02, rel=1e-3)
    assert told[-1] == 1.0


def test_without_the_reference_the_lines_are_inactive_and_say_why(tmp_path: Path) -> None:
    path = write(tmp_path / "spill.h5", random_streams(["CHOD", "LKr"], 100, 50), 100)
    report = replay_inline(request(path), Watcher())
    lines = {line["name"]: line for line in report["lines"]}
    control = lines.pop("Control")
    assert {line["reason"] for line in lines.values()} == {"reference RICH is absent"}
    assert not any(line["active"] or line["before"] for line in lines.values())
    assert control["active"]
    assert control["before"] > 0
    assert report["ledger_closed"]


@pytest.mark.parametrize(
    ("n_frames", "replay"),
    [
        (0, replay_inline),
        (3000, replay_inline),
        pytest.param(0, replay_processes, marks=pytest.mark.needs_jit),
    ],
)
def test_an_empty_spill_is_played(tmp_path: Path, n_frames: int, replay: Engine) -> None:
    path = write(tmp_path / "empty.h5", random_streams(["RICH", "CHOD"], n_frames, 0), n_frames)
    report = replay(request(path), Watcher())
    assert report["spill_s"] == n_frames * FRAME_S
    assert report["beam_s"] == report["l0_triggers"] == 0
    assert report["primitives"] == {"RICH": 0, "CHOD": 0}
    assert report["intensity_mhz"] is None
    assert report["ledger_closed"]


@pytest.mark.needs_jit
def test_a_real_file_of_one_detector_is_imported_and_played(tmp_path: Path) -> None:
    path = tmp_path / "lkr.h5"
    arguments = [
        "primitives",
        "--experiment",
        "na62",
        "--detector",
        "LKr",
        str(recorded_primitives()),
        "-o",
        str(path),
    ]
    assert CliRunner().invoke(import_command, arguments).exit_code == 0
    report = replay_inline(request(path), Watcher())
    assert report["primitives"] == {"LKr": 4252}
    assert report["beam_s"] == pytest.approx(5.757 - 1.169, abs=0.002)
    assert not any(line["active"] for line in report["lines"])
    assert report["ledger_closed"]


@pytest.mark.needs_jit
def test_a_block_too_long_for_a_message_is_an_error_with_its_remedy(
    spill: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.wire.message.MAX_MESSAGE_BYTES", 100_000)
    with pytest.raises(StageFailed, match=r"of kind primitives .* put fewer frames in a block"):
        replay_threads(tmp_path, request(spill, block_frames=WHOLE))


class Forgetful(Sender):
    """A sender that forgets to send the message of this number, to the stage `to`, the first time."""

    to = ""
    forgets = -1

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._is_it = str(arguments[1]).endswith(self.to)

    def _deliver(self, address: bytes, frames: list[Buffer]) -> bool:
        if self._is_it and msgpack.unpackb(frames[0])["seq"] == self.forgets:
            self._is_it = False
            return True
        return super()._deliver(address, frames)


@pytest.mark.needs_jit
@pytest.mark.parametrize(
    ("to", "number"), [("l0", 1), ("l0", 4), ("monitor", 1), ("monitor", 3), ("monitor", 5)]
)
def test_what_a_link_loses_is_sent_again(
    spill: Path, tmp_path: Path, inline: Report, monkeypatch: pytest.MonkeyPatch, to: str, number: int
) -> None:
    monkeypatch.setattr(Forgetful, "to", to)
    monkeypatch.setattr(Forgetful, "forgets", number)
    monkeypatch.setattr(processes, "Sender", Forgetful)
    report = replay_threads(tmp_path, request(spill))
    assert alone(report) == spill_of(inline)
    assert report["links"][to]["out_of_order"] > 0
