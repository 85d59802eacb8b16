"""Simulated spills through the L0 processor: detectors, lines and their composition, against the experiment's toy.

The toy is that behind the 2018 menu: kaon and pion decays one by one, an ideal trigger, no accidentals, no halo.
To be like it a spill has 15 MHz of beam, a fiftieth of the nominal one, so that two decays hardly meet.
"""

from __future__ import annotations

import math
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from streams.catalogue import load_menu
from streams.simulate.blocks import simulate_blocks
from streams.simulate.readout import load_readout
from streams.simulate.settings import SimulationSettings
from streams.simulate.write import write_spill
from streams.spill.reader import SpillReader
from trigger.clock import FRAME_S, LSB_NS
from trigger.l0.processor import L0Processor
from trigger.l0.registers import CONTROL, compile_registers

pytestmark = pytest.mark.needs_jit

MENU, NA62 = load_menu("na62-2018")
SEED = 11
LOW_MHZ, NOMINAL_MHZ = 15.0, 750.0

# kHz before downscaling at 750 MHz.
TOY_KHZ = {
    "PNN": 363.0,
    "Non-mu": 2070.0,
    "MT": 329.0,
    "2muMT": 4.0,
    "eMT": 141.0,
    "mueMT": 34.0,
    "DV-mu": 37.0,
    "DV-2mu": 4.0,
    "Control": 11_400.0,
}
TOY_MHZ = {"NewCHOD.Q1": 11.4, "RICH.RICH": 10.2, "MUV3.M1": 13.2, "MUV3.MO1": 4.1, "LKr.E10": 2.9}


@cache
def rates(intensity_mhz: float, duration_s: float) -> tuple[dict[str, tuple[float, float]], dict[str, float]]:
    """Rate in kHz before downscaling and its statistical error of each line; rates in MHz of conditions."""
    settings = SimulationSettings(intensity_mhz, duration_s, SEED, flat=True, accidentals=0.0, halo=0.0)
    processor = L0Processor(compile_registers(MENU, NA62), NA62.inputs)
    conditions: Counter[str] = Counter()
    for block in simulate_blocks(settings, NA62, workers=2):
        processor.process(block)
        for name in TOY_MHZ:
            detector, bit = NA62.bit(name)
            conditions[name] += int(np.count_nonzero(block.streams[detector.name].ids() >> bit & 1))
    processor.finish()
    rows = {line.name: row for row, line in enumerate(MENU.line)} | {"Control": CONTROL}
    counts, length_s = processor.before_downscaling, settings.n_frames * FRAME_S
    lines = {
        name: (counts[row] / length_s * 1e-3, math.sqrt(counts[row]) / length_s * 1e-3)
        for name, row in rows.items()
    }
    return lines, {name: n / length_s * 1e-6 for name, n in conditions.items()}


@pytest.mark.parametrize("line", TOY_KHZ)
def test_a_line_has_the_rate_of_the_toy_within_a_factor(line: str) -> None:
    rate, error = (x * NOMINAL_MHZ / LOW_MHZ for x in rates(LOW_MHZ, 2.0)[0][line])
    assert rate + 3 * error > TOY_KHZ[line] / 1.4
    assert rate - 3 * error < TOY_KHZ[line] * 1.4


@pytest.mark.parametrize("condition", TOY_MHZ)
@pytest.mark.parametrize(("intensity_mhz", "duration_s"), [(LOW_MHZ, 2.0), (NOMINAL_MHZ, 0.05)])
def test_a_detector_has_the_rate_of_the_toy_within_20_percent(
    condition: str, intensity_mhz: float, duration_s: float
) -> None:
    """At 750 MHz too, where one primitive in ten is of two decays."""
    rate = rates(intensity_mhz, duration_s)[1][condition] * NOMINAL_MHZ / intensity_mhz
    assert rate == pytest.approx(TOY_MHZ[condition], rel=0.20)


def test_the_random_veto_leaves_fewer_events_exponentially_with_intensity() -> None:
    """PNN and Non-mu per MHz of beam fall like exp(-R dt): MUV3 at 13.3 MHz for 750 MHz of beam, a window of 2 x
    6.24 ns.

    Clustered primitives move a little, and others add to PNN: the slope is that of MUV3 within a third.
    """
    intensities = np.array([100.0, 300.0, 500.0, 750.0])
    per_mhz, errors = np.array([
        np.array(rates(mhz, 40.0 / mhz)[0]["Non-mu"]) / mhz for mhz in intensities
    ]).T  # fmt: skip
    logs, weights = np.log(per_mhz), per_mhz / errors
    (slope, offset), covariance = np.polyfit(intensities, logs, 1, w=weights, cov="unscaled")
    residuals = (logs - (slope * intensities + offset)) * weights
    assert (residuals**2).sum() < 2 + 4 * np.sqrt(4)
    assert slope == pytest.approx(-13.3e6 / 750 * 2 * 64 * LSB_NS * 1e-9, rel=0.33)
    assert -slope > 10 * np.sqrt(covariance[0, 0])


@pytest.fixture(scope="module")
def low(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second at 15 MHz, with truth."""
    path = tmp_path_factory.mktemp("low") / "low.h5"
    settings = SimulationSettings(LOW_MHZ, 1.0, SEED, flat=True, accidentals=0.0, halo=0.0)
    write_spill(path, settings, NA62, load_readout(NA62, "na62-2018"), workers=2)
    return path


def test_pnn_is_made_of_the_decays_of_the_toy(low: Path) -> None:
    """K2pi 66%, K3pi 29%, Ke3 4%, within 8 points; by the truth of the decay nearest to each trigger."""
    pnn = next(i for i, line in enumerate(MENU.line) if line.name == "PNN")
    with SpillReader(low) as reader:
        n_frames, truth = reader.header.n_frames, reader.optional.truth
        readout = reader.optional.read_records("readout", 0, n_frames)
        decays = reader.optional.read_records("truth/decays", 0, n_frames)
    assert truth is not None
    times = readout.times_lsb()[readout.records["flags"] >> pnn & 1 == 1]
    decay_times = decays.times_lsb()
    right = np.clip(np.searchsorted(decay_times, times), 1, len(decay_times) - 1)
    nearest = np.where(times - decay_times[right - 1] < decay_times[right] - times, right - 1, right)
    assert (np.abs(times - decay_times[nearest]) * LSB_NS < 15).all()
    counts = np.bincount(decays.records["mode"][nearest], minlength=len(truth.modes)) / len(times)
    share = {mode["name"]: float(count) for mode, count in zip(truth.modes, counts, strict=True)}
    for name, expected in (("K-pi-pi0", 0.66), ("K-3pi", 0.29), ("K-pi0-e-nu", 0.04)):
        assert share[name] == pytest.approx(expected, abs=0.08), share


def test_kaons_decay_in_the_fiducial_volume_as_often_as_their_lifetime_says(low: Path) -> None:
    """12.45% of the kaons that enter, 1.77% of the pions; 6% and 70% of the beam."""
    with SpillReader(low) as reader:
        length_s, truth = reader.header.n_frames * FRAME_S, reader.optional.truth
    assert truth is not None
    for parent, fraction, probability in (("K+", 0.06, 0.1245), ("pi+", 0.70, 0.0177)):
        n = sum(mode["generated_fiducial"] for mode in truth.modes if mode["parent"] == parent)
        beam = LOW_MHZ * 1e6 * length_s * fraction
        # The probabilities are given to 0.4% and 0.3%.
        assert n / beam == pytest.approx(probability, abs=4 * np.sqrt(n) / beam + 0.005 * probability)
