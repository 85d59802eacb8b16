"""The benchmark of the monitors checks what it times, against boost-histogram and pyBumpHunter."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from conftest import Ktrig

from streams.bench import monitors
from streams.bench.errors import BenchError
from streams.bench.monitors import bench_monitors
from streams.monitors import spectra

pytestmark = pytest.mark.needs_jit


def test_the_figures_follow_from_the_times_and_the_answers_are_those_of_the_others(full_spill: Path) -> None:
    found = bench_monitors(full_spill, "na62-2018", blocks=2, repetitions=1)
    assert found["accepted"] > 0
    assert found["core_fraction_at_100khz"] == pytest.approx(found["us_per_event"] * 0.1)
    assert found["bypassed"] > 0
    assert found["boost_histogram_ratio"] > 0
    assert found["bump_hunter_ratio"] > 0
    assert found["hypotheses"] > 1000
    json.dumps(found, allow_nan=False)


def test_other_spectra_than_those_of_boost_histogram_are_an_error(
    full_spill: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill = spectra.fill

    def wrong(counts: np.ndarray, *rest: np.ndarray) -> None:
        fill(counts, *rest)
        counts[3] += 1

    monkeypatch.setattr(spectra, "fill", wrong)
    with pytest.raises(BenchError, match="boost-histogram fills another spectrum"):
        bench_monitors(full_spill, "na62-2018", blocks=1, repetitions=1)


def test_without_the_others_there_are_no_ratios(full_spill: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitors, "find_spec", lambda _name: None)
    found = bench_monitors(full_spill, "na62-2018", blocks=1, repetitions=1)
    assert (found["boost_histogram_ratio"], found["bump_hunter_ratio"]) == (None, None)


def test_the_command_prints_the_figures(ktrig: Ktrig, full_spill: Path) -> None:
    code, text, _error = ktrig("bench", "monitors", full_spill, "--blocks", "1", "--repetitions", "1")
    assert code == 0
    assert "cores at 100 kHz" in text
    assert max(map(len, text.splitlines())) <= 80


def test_a_spill_without_hits_is_an_error_that_says_what_to_do(ktrig: Ktrig, spill: Path) -> None:
    code, _out, error = ktrig("bench", "monitors", spill)
    assert code == 1
    assert "has no hits; simulate a spill without --no-hits" in " ".join(error.split())
