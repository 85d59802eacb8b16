"""What the board loses behind the acceptance: against a naive twin, and in closed form."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_losses import naive_fates
from numpy.typing import NDArray

from trigger.clock import FRAME_S, LSB_PER_TICK, lsb, seconds
from trigger.l0.dispatch import Dispatcher
from trigger.l0.fates import FATES
from trigger.l0.registers import CONTROL, N_ROWS
from trigger.l0.triggers import Triggers
from trigger.menu import DispatchSettings

checked = settings(deadline=None, derandomize=True, max_examples=200)


def triggers_at(
    ticks: Any, flags: NDArray[np.uint16] | None = None, words: NDArray[np.uint8] | None = None
) -> Triggers:
    """Return triggers with these timestamps, of mask 0 unless told, with any fine time."""
    n = len(ticks)
    return Triggers(
        np.asarray(ticks, np.int64) * LSB_PER_TICK + np.arange(n) % LSB_PER_TICK,
        np.ones(n, np.uint16) if flags is None else flags,
        np.ones(n, np.uint8) if words is None else words,
        np.zeros((0, 3, 7), np.uint32),
    )


def fates_of(ticks: Any, **changes: Any) -> list[str]:
    found = Dispatcher(DispatchSettings(**changes)).process(triggers_at(ticks))
    return [FATES[fate] for fate in found]


def at_tick(tick: int) -> float:
    return seconds(tick * LSB_PER_TICK)


@st.composite
def chokes(draw: st.DrawFn) -> list[list[float]]:
    edges = sorted(draw(st.sets(st.integers(0, 320), max_size=8)))
    return [[at_tick(on), at_tick(off)] for on, off in zip(edges[::2], edges[1::2], strict=False)]


@checked
@given(
    st.sets(st.integers(0, 300), max_size=80),
    st.integers(0, 12),
    st.integers(0, 40),
    chokes(),
    st.lists(st.integers(0, 80), max_size=5),
    st.integers(0, 2**32),
)
def test_the_dispatch_agrees_with_its_twin_on_triggers_in_any_pieces(
    ticks: set[int], dead_time: int, latency: int, choke: list[list[float]], cuts: list[int], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    times, n = sorted(ticks), len(ticks)
    flags = rng.integers(0, 2**16, n).astype(np.uint16)
    words = rng.choice([0x01, 0x10, 0x11], n).astype(np.uint8)
    values = {"dead_time_ticks": dead_time, "latency_ticks": latency, "choke": choke}
    dispatcher = Dispatcher(DispatchSettings.model_validate(values))
    found: list[str] = []
    edges = [0, *sorted(min(cut, n) for cut in cuts), n]
    for a, b in pairwise(edges):
        part = dispatcher.process(triggers_at(times[a:b], flags[a:b], words[a:b]))
        found += [FATES[fate] for fate in part]
    assert found == naive_fates(times, dead_time, latency, [(lsb(on), lsb(off)) for on, off in choke])
    assert dispatcher.account == {fate: found.count(fate) for fate in FATES}
    for fate, lost in (("choke", dispatcher.lost_choke), ("dead_time", dispatcher.lost_dead_time)):
        mine = [i for i in range(n) if found[i] == fate]
        expected = [sum(int(flags[i]) >> row & 1 for i in mine) for row in range(N_ROWS)]
        expected[CONTROL] = sum(int(words[i]) >> 4 for i in mine)
        assert lost.tolist() == expected


def test_without_settings_every_trigger_is_dispatched() -> None:
    assert fates_of(range(20)) == ["dispatched"] * 20


def test_a_trigger_at_the_dead_time_is_dispatched_and_one_tick_earlier_is_lost() -> None:
    assert fates_of([10, 12, 13], dead_time_ticks=3) == ["dispatched", "dead_time", "dispatched"]
    assert fates_of([10, 11], dead_time_ticks=1) == ["dispatched"] * 2


def test_a_lost_trigger_makes_no_dead_time() -> None:
    lost, kept = "dead_time", "dispatched"
    assert fates_of(range(10, 17), dead_time_ticks=3) == [kept, lost, lost, kept, lost, lost, kept]


def test_a_choke_takes_what_is_dispatched_from_its_begin_to_three_ticks_behind_its_end() -> None:
    choke = [[at_tick(100), at_tick(110)]]
    ticks = [99, 100, 109, 110, 112, 113]
    expected = ["dispatched", "choke", "choke", "choke", "choke", "dispatched"]
    assert fates_of(ticks, choke=choke) == expected
    assert fates_of([t - 40 for t in ticks], choke=choke, latency_ticks=40) == expected


def test_a_choked_trigger_makes_no_dead_time() -> None:
    choke = [[at_tick(100), at_tick(110)]]
    assert fates_of([112, 113], choke=choke, dead_time_ticks=10) == ["choke", "dispatched"]
    assert fates_of([99, 105, 113], choke=choke, dead_time_ticks=20) == ["dispatched", "choke", "dead_time"]


@pytest.mark.needs_jit
@pytest.mark.parametrize(("rate", "dead_time"), [(0.001, 3), (0.0125, 3), (0.0125, 40), (0.2, 10)])
def test_the_live_fraction_of_random_triggers_is_that_of_a_non_paralyzable_dead_time(
    rate: float, dead_time: int
) -> None:
    """It is 1 / (1 + r tau). The next tick cannot be nearer than one, so tau is the least distance less a tick.

    The dispatched triggers are a renewal process of mean distance m = tau + 1 / r and variance (1 - r) / r^2 (the
    wait for the next trigger is geometric), so their number in T ticks has variance T (1 - r) / (r^2 m^3).
    """
    n_ticks, rng = 2_000_000, np.random.default_rng([dead_time, int(1 / rate)])
    ticks = np.flatnonzero(rng.random(n_ticks) < rate)
    dispatcher = Dispatcher(DispatchSettings(dead_time_ticks=dead_time))
    dispatcher.process(triggers_at(ticks))
    distance = dead_time - 1 + 1 / rate
    expected = rate * n_ticks / (1 + rate * (dead_time - 1))
    sigma = np.sqrt(n_ticks * (1 - rate) / (rate**2 * distance**3))
    assert abs(dispatcher.account["dispatched"] - expected) < 4 * sigma
    assert sum(dispatcher.account.values()) == len(ticks)


def test_the_counts_are_copies() -> None:
    dispatcher = Dispatcher(DispatchSettings(choke=((0.0, FRAME_S),)))
    dispatcher.process(triggers_at([5]))
    dispatcher.lost_choke[:] = 7
    assert dispatcher.lost_choke.tolist() == [1] + [0] * CONTROL
