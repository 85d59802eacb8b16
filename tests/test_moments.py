"""When something happens in a frame: a Poisson process on the beam, the same whenever it is drawn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.simulate import chance
from streams.simulate.intensity import TURN_PERIOD_LSB
from streams.simulate.moments import MOMENTS, Pulse, draw_moments, modulation, new_moments
from streams.simulate.near import covers, touches
from trigger.clock import LSB_PER_FRAME

STEADY = Pulse(0.0, 2 * np.pi / TURN_PERIOD_LSB, 0.0)
PULSED = Pulse(0.3, 2 * np.pi / TURN_PERIOD_LSB, 1.0)
SHARES = np.array([0.5, 0.75, 1.0])
SEED = np.uint64(5)


def naive_moments(frame: int, rate: float, pulse: Pulse) -> list[tuple[float, int, int]]:
    """[(time, source, seed)]."""
    rng = np.array([chance.seed_of(SEED, MOMENTS, np.uint64(frame))], np.uint64)
    moments: list[tuple[float, int, int]] = []
    time = 0.0
    while True:
        time += chance.exponential(rng) * (1 / (rate * (1 + pulse.amplitude)))
        if time >= LSB_PER_FRAME:
            return moments
        absolute = frame * LSB_PER_FRAME + time
        bright = 1 + pulse.amplitude * np.sin(pulse.phase + pulse.frequency * absolute)
        if pulse.amplitude == 0 or chance.uniform(rng) * (1 + pulse.amplitude) < bright:
            source = int(np.searchsorted(SHARES, chance.uniform(rng), side="right"))
            moments.append((time, source, int(chance.bits(rng))))


@pytest.mark.parametrize("pulse", [STEADY, PULSED])
@pytest.mark.parametrize("frame", [0, 1, 751_000])
def test_moments_are_those_of_a_plain_loop(frame: int, pulse: Pulse) -> None:
    moments = new_moments(400)
    n = draw_moments(SEED, frame, 0.003, pulse, SHARES, moments)
    expected = naive_moments(frame, 0.003, pulse)
    assert n == len(expected) > 100
    np.testing.assert_allclose(moments.time[:n], [time for time, _, _ in expected], rtol=1e-12)
    assert moments.source[:n].tolist() == [source for _, source, _ in expected]
    assert moments.seed[:n].tolist() == [seed for _, _, seed in expected]


def test_moments_that_do_not_fit_are_said_not_to() -> None:
    assert draw_moments(SEED, 0, 0.003, STEADY, SHARES, new_moments(10)) == -1


def test_without_beam_nothing_happens() -> None:
    assert draw_moments(SEED, 0, 0.0, PULSED, SHARES, new_moments(1)) == 0


def test_moments_follow_the_rate_the_shares_and_the_pulse() -> None:
    moments, frames, rate = new_moments(400), 300, 0.003
    counts, sources, phasor = [], np.zeros(3), 0j
    for frame in range(frames):
        n = draw_moments(SEED, frame, rate, PULSED, SHARES, moments)
        counts.append(n)
        sources += np.bincount(moments.source[:n], minlength=3)
        times = frame * LSB_PER_FRAME + moments.time[:n]
        phasor += np.exp(1j * (PULSED.phase + PULSED.frequency * times)).sum()
    total = sum(counts)
    expected = rate * LSB_PER_FRAME * frames
    assert total == pytest.approx(expected, abs=4 * np.sqrt(expected))
    np.testing.assert_allclose(sources / total, [0.5, 0.25, 0.25], atol=4 * np.sqrt(0.25 / total))
    # 1 + a sin: the mean of exp(i phase) is i a / 2.
    assert 2 * phasor.imag / total == pytest.approx(0.3, abs=4 * np.sqrt(2 / total))
    assert 2 * phasor.real / total == pytest.approx(0.0, abs=4 * np.sqrt(2 / total))


def test_the_modulation_has_the_mean_of_the_frame() -> None:
    values = [modulation(PULSED, frame, time) for frame in range(40) for time in range(0, LSB_PER_FRAME, 997)]
    assert np.mean(values) == pytest.approx(1.0, abs=0.02)


ranges = st.lists(st.integers(-100, 100), unique=True, max_size=12).map(
    lambda edges: np.array(sorted(edges)[: len(edges) // 2 * 2], np.int64).reshape(-1, 2)
)


@given(ranges, st.integers(-120, 120), st.integers(1, 40))
def test_a_time_is_covered_and_a_span_touched_as_a_plain_loop_says(
    intervals: np.ndarray, begin: int, length: int
) -> None:
    assert covers(intervals, begin) == any(low <= begin < high for low, high in intervals)
    end = begin + length
    assert touches(intervals, begin, end) == any(low < end and begin < high for low, high in intervals)
