"""The simulated spill through the L0 processor: rates near those of the experiment's toy."""

from __future__ import annotations

import math

import pytest

from streams.catalogue import load_menu
from streams.simulate.blocks import simulate_blocks
from streams.simulate.settings import SimulationSettings
from trigger.l0.processor import L0Processor
from trigger.l0.registers import CONTROL, compile_registers

MENU, NA62 = load_menu("na62-2018")
SEED = 11
DURATION_S = 0.08
NEAR = 1.4
"""Factor between the toy, ideal and decay by decay, and the processor, with pile-up in its windows."""

TABLE = 0.02
"""How far the table of responses itself is from the toy."""

# kHz before downscaling at 750 MHz from decays alone, no accidentals or halo: the toy behind the 2018 menu.
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


def rates_khz(intensity_mhz: float, duration_s: float) -> dict[str, tuple[float, float]]:
    """Rate before downscaling and its statistical error of each line, accidentals and halo off."""
    settings = SimulationSettings(
        intensity_mhz=intensity_mhz, duration_s=duration_s, seed=SEED, flat=True, accidentals=0.0
    )
    processor = L0Processor(compile_registers(MENU, NA62), NA62.inputs)
    for block in simulate_blocks(settings, NA62):
        processor.process(block)
    processor.finish()
    rows = {line.name: row for row, line in enumerate(MENU.line)} | {"Control": CONTROL}
    counts = processor.before_downscaling
    scale = 1e-3 / duration_s
    return {name: (counts[row] * scale, math.sqrt(counts[row]) * scale) for name, row in rows.items()}


@pytest.fixture(scope="module")
def nominal() -> dict[str, tuple[float, float]]:
    return rates_khz(750.0, DURATION_S)


@pytest.mark.needs_jit
@pytest.mark.parametrize("line", TOY_KHZ)
def test_a_line_has_the_rate_of_the_toy_within_a_factor(
    line: str, nominal: dict[str, tuple[float, float]]
) -> None:
    rate, error = nominal[line]
    assert rate + 3 * error > TOY_KHZ[line] / NEAR
    assert rate - 3 * error < TOY_KHZ[line] * NEAR


@pytest.mark.needs_jit
def test_at_low_intensity_the_lines_reach_the_toy_itself() -> None:
    """Without pile-up nothing is vetoed or fired by chance: PNN, Non-mu and MT are the toy's scaled down."""
    low = rates_khz(15.0, 1.5)
    for line in ("PNN", "Non-mu", "MT"):
        rate, error = low[line]
        assert abs(rate * 50 - TOY_KHZ[line]) < 4 * error * 50 + TABLE * TOY_KHZ[line], line


@pytest.mark.needs_jit
def test_pile_up_vetoes_pnn_by_the_muons_in_its_window(nominal: dict[str, tuple[float, float]]) -> None:
    """The random veto leaves exp(-R dt): 13.2 MHz of MUV3 in a window of 2 x 6.24 ns."""
    muv3_hz, window_s = 13.2e6, 2 * 6.24e-9
    rate, error = nominal["Non-mu"]
    expected = TOY_KHZ["Non-mu"] * math.exp(-muv3_hz * window_s)
    assert abs(rate - expected) < 4 * error + TABLE * expected
