"""The benchmarks, untimed, so that they cannot rot."""

from __future__ import annotations

import json
from dataclasses import replace

import l0_cases
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from l0_cases import DETECTORS

from streams.bench import l0, transport
from streams.bench.errors import BenchError
from streams.bench.l0_numpy import L0Numpy
from streams.bench.timing import Timing, time_in_turn
from streams.cli.bench import command
from streams.exchange import StageTotals
from trigger.errors import KtrigError
from trigger.frames import Block
from trigger.l0.processor import L0Processor
from trigger.l0.registers import CONTROL

TINY_S = 0.001


@settings(deadline=None, derandomize=True, max_examples=40)
@given(st.integers(0, 2**32), st.integers(0, 2), st.integers(0, 6), st.none() | st.integers(0, 6))
def test_numpy_gives_the_triggers_of_the_processor(
    seed: int, bits: int, reference: int, control: int | None
) -> None:
    rng = np.random.default_rng(seed)
    registers = l0_cases.random_registers(rng, bits, reference, control)
    registers = replace(registers, ignore_until_tick=1500)
    hits = l0_cases.random_hits(rng, 5, 70, 8.0)
    blocks = list(l0_cases.cut_block(l0_cases.block_of(hits, 5, 70), [1, 33, 34, 60]))
    l0.check_same(
        L0Numpy(registers, DETECTORS).run(blocks), l0_cases.run(L0Processor(registers, DETECTORS), blocks)
    )


def test_numpy_refuses_slots_that_it_cannot_do() -> None:
    with pytest.raises(KtrigError, match="fine_time_bits is 3; the numpy baseline takes at most 2"):
        L0Numpy(l0_cases.registers(fine_time_bits=3), DETECTORS)


def test_a_baseline_with_other_triggers_is_an_error() -> None:
    triggers = l0_cases.triggers_of([(1, 9999, 0x4000)], l0_cases.registers(), 0, 1)
    with pytest.raises(BenchError, match="numpy's triggers differ from the processor's in flags"):
        l0.check_same(replace(triggers, flags=triggers.flags + np.uint16(1)), triggers)


def test_the_task_is_a_nominal_spill_with_the_menu_of_2018_and_control() -> None:
    task = l0.make_task(TINY_S)
    assert task.reference == "RICH"
    assert task.registers.enabled[CONTROL]
    assert task.seconds == pytest.approx(TINY_S, rel=0.01)
    assert 5e6 < task.references / task.seconds < 20e6
    assert task.primitives > task.references
    l0.check_same(task.run_numpy(), task.run())


@pytest.mark.needs_jit
def test_the_same_seed_gives_the_same_task() -> None:
    first, again, other = l0.make_task(TINY_S), l0.make_task(TINY_S), l0.make_task(TINY_S, seed=2)
    words = [[s.words.tolist() for b in t.blocks for s in b.streams.values()] for t in (first, again, other)]
    assert words[0] == words[1] != words[2]


def test_bench_l0_prints_its_figures_as_json() -> None:
    arguments = ["l0", "--json", "--duration", f"{TINY_S}", "--repetitions", "2", "--numpy-repetitions", "1"]
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    assert set(figures) == {
        "benchmark",
        "menu",
        "seed",
        "duration_s",
        "triggers",
        "primitives",
        "reference_primitives",
        "primitives_mhz",
        "reference_mhz",
        "repetitions",
        "seconds",
        "seconds_min",
        "seconds_max",
        "realtime_factor",
        "ns_per_reference_primitive",
        "numpy_duration_s",
        "numpy_repetitions",
        "numpy_seconds",
        "numpy_ns_per_reference_primitive",
        "numpy_ratio",
    }
    assert figures["realtime_factor"] == pytest.approx(figures["duration_s"] / figures["seconds"])
    assert figures["seconds_min"] <= figures["seconds"] <= figures["seconds_max"]


def test_a_figure_is_the_median_of_at_least_7_unless_asked_otherwise() -> None:
    assert l0.REPETITIONS >= 7
    assert l0.NUMPY_REPETITIONS >= 7
    assert {o.name: o.default for o in command.commands["l0"].params}.items() >= {
        "repetitions": l0.REPETITIONS,
        "numpy_repetitions": l0.NUMPY_REPETITIONS,
    }.items()


@pytest.mark.needs_jit
def test_bench_l0_tells_people_in_five_lines() -> None:
    arguments = ["l0", "--duration", f"{TINY_S}", "--repetitions", "1", "--numpy-repetitions", "1"]
    result = CliRunner().invoke(command, arguments)
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["spill", "menu", "time", "speed", "numpy"]
    assert max(map(len, lines)) <= 80


def test_a_timing_is_a_median_after_a_warm_up() -> None:
    calls: list[str] = []
    a, b = time_in_turn([lambda: calls.append("a"), lambda: calls.append("b")], 3)
    assert calls == ["a", "b"] * 4
    assert len(a.seconds) == len(b.seconds) == 3
    timing = Timing((3.0, 1.0, 7.0))
    assert (timing.median, timing.least, timing.most) == (3.0, 1.0, 7.0)


@pytest.mark.needs_jit
def test_transport_delivers_what_it_times() -> None:
    result = CliRunner().invoke(command, ["transport", "--duration", "0.05", "--repetitions", "2", "--json"])
    assert result.exit_code == 0, result.output
    figures = json.loads(result.output)
    assert figures["blocks"] == 2
    assert figures["primitives"] / figures["duration_s"] == pytest.approx(51e6, rel=0.1)
    assert figures["bytes"] > 4 * figures["primitives"]
    assert figures["realtime_factor"] == figures["duration_s"] / figures["seconds"]


@pytest.mark.needs_jit
def test_transport_that_loses_primitives_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def add_twice(totals: StageTotals, block: Block) -> None:
        for name, stream in block.streams.items():
            totals.primitives[name] += 2 * len(stream.words)

    monkeypatch.setattr(StageTotals, "add", add_twice)
    with pytest.raises(BenchError, match=r"primitives were sent and .* came"):
        transport.bench_transport(0.01, 1)
