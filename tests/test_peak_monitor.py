"""The peak monitor: spectra that add up in any order, scans, limits as branching ratios, alarms."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from streams.catalogue import load_menu
from streams.findings import Findings
from streams.monitors import spectra
from streams.monitors.peaks import Cumulated, PeakMonitor, Sample, SearchState
from streams.monitors.snapshot import Snapshot, SnapshotError
from streams.monitors.snapshot_content import fill_snapshot, resume, search_result
from streams.monitors.uhi import to_uhi
from trigger.clock import FRAME_S
from trigger.searches.catalogue import SEARCHES, find_search
from trigger.searches.normalisation import counted, kaon_decays, per_event

pytestmark = pytest.mark.needs_jit

MENU, EXPERIMENT = load_menu("na62-2018")
PER_PARTICLE = EXPERIMENT.beam.primitives_per_beam_particle
LINES = [line.name for _row, line in MENU.rows]
PARTS = {part for search in SEARCHES for part in search.needs}

K_MU_N = [search.name for search in SEARCHES].index("k_mu_n")
KMU2 = [search.name for search in SEARCHES].index("kmu2")
MASS_GEV = 0.300

MHZ = 500.0
FRAMES = 100_000
PRIMITIVES = round(MHZ * 1e6 * FRAMES * FRAME_S * PER_PARTICLE)


def findings(search: list[int], value: list[float]) -> Findings:
    none = np.zeros(0, np.int64)
    return Findings(np.array(search, np.uint8), np.array(value, np.float32), none, none, none, none)


def random_findings(seed: int, n: int = 3000) -> Findings:
    rng = np.random.default_rng(seed)
    number = rng.integers(0, len(SEARCHES), n)
    low, high = (np.array([getattr(s.axis, end) for s in SEARCHES])[number] for end in ("low", "high"))
    return findings(number.tolist(), (low + (high - low) * rng.uniform(size=n)).tolist())


def monitor(cumulated: Cumulated | None = None) -> PeakMonitor:
    return PeakMonitor(MENU, PER_PARTICLE, cumulated)


def play(peaks: PeakMonitor, *spills: Findings, new: bool = True, whole: bool = True) -> PeakMonitor:
    for found in spills:
        peaks.begin(LINES, PARTS, l1=True, simulated=True, new=new)
        peaks.fill(found)
        peaks.end(PRIMITIVES, FRAMES, whole)
    return peaks


def same(left: Cumulated, right: Cumulated) -> bool:
    pairs = zip(left.halves, right.halves, strict=True)
    return left.spills == right.spills and all(
        np.array_equal(one, other)
        for a, b in pairs
        for one, other in zip(vars(a).values(), vars(b).values(), strict=True)
    )


def flat(mean: float, peak: float = 0.0, seed: int = 1) -> Findings:
    """A flat spectrum of K+ -> mu+ N with so many events a bin, and a peak of so many events at MASS_GEV."""
    rng, search = np.random.default_rng(seed), SEARCHES[K_MU_N]
    n = rng.poisson(mean * search.axis.bins)
    values = rng.uniform(search.axis.low, search.axis.high, n).tolist()
    values += rng.normal(search.observable_of(MASS_GEV), search.sigma(MASS_GEV), rng.poisson(peak)).tolist()
    return findings([K_MU_N] * len(values), values)


def state_of(peaks: PeakMonitor, number: int = K_MU_N) -> SearchState:
    return peaks.states()[number]


def test_spills_are_added_to_even_and_odd_ones_in_turn() -> None:
    spills = [random_findings(seed) for seed in range(3)]
    peaks = play(monitor(), *spills)
    expected = [spectra.empty(), spectra.empty()]
    for k, spill in enumerate(spills):
        spectra.fill(expected[k % 2], spill.search, spill.value, np.ones(len(SEARCHES), np.bool_))
    assert peaks.cumulated.spills == 3
    for half, counts in zip(peaks.cumulated.halves, expected, strict=True):
        assert np.array_equal(half.counts, counts)


def test_samples_add_up_in_any_order() -> None:
    each = np.arange(len(SEARCHES))
    samples = [Sample(spectra.empty() + k, k * each, k + each, 2 * k + each) for k in range(4)]
    there, back = Sample(), Sample()
    for one, other in zip(samples, reversed(samples), strict=True):
        there, back = there + one, back + other
    assert same(Cumulated((there, there)), Cumulated((back, back)))
    assert np.array_equal(there.channel, 6 * each)


@pytest.mark.parametrize("after", [0, 1, 2, 3])
def test_a_restart_between_spills_changes_nothing(after: int) -> None:
    spills = [random_findings(seed) for seed in range(3)]
    whole, first = play(monitor(), *spills), play(monitor(), *spills[:after])
    seen = tuple(str(number) for number in range(after))
    snapshot = Snapshot(experiment="na62", menu=MENU.name, menu_hash=MENU.hash, seen=seen)
    written = fill_snapshot(snapshot, first, first.states())
    second = play(monitor(resume(written, "snapshot.json")), *spills[after:])
    assert same(second.cumulated, whole.cumulated)
    if after < 3:
        results = ([search_result(state) for state in peaks.states()] for peaks in (second, whole))
        assert next(results) == next(results)


def test_a_snapshot_with_other_bins_is_refused_with_the_search_and_what_to_do() -> None:
    peaks = play(monitor(), random_findings(1))
    snapshot = Snapshot(experiment="na62", menu=MENU.name, menu_hash=MENU.hash)
    written = fill_snapshot(snapshot, peaks, peaks.states())
    other = to_uhi(np.zeros(12, np.int64), 0.0, 1.0)
    wrong = written.model_copy(update={"histograms": written.histograms | {"k_mu_n/odd": other}})
    with pytest.raises(SnapshotError, match=r"a\.json: histograms\.k_mu_n/odd: has 10 bins .* begin anew"):
        resume(wrong, "a.json")


def test_a_spill_that_is_in_already_is_not_added_again() -> None:
    spill = random_findings(1)
    once, again = play(monitor(), spill), play(play(monitor(), spill), spill, new=False)
    assert same(once.cumulated, again.cumulated)
    assert np.array_equal(again.spill.counts, once.spill.counts)


def test_a_search_that_is_inactive_says_why_and_takes_nothing_and_the_others_go_on() -> None:
    peaks = monitor()
    peaks.begin(LINES, PARTS - {"hits/MUV3"}, l1=True, simulated=True)
    peaks.fill(random_findings(1))
    peaks.end(PRIMITIVES, FRAMES)
    states = peaks.states()
    for state in states:
        if "hits/MUV3" in state.search.needs:
            assert state.reason == "the spill has no MUV3 hits (/hits/MUV3)"
            assert state.all.counts.sum() == 0
        else:
            assert state.reason == ""
            assert state.all.counts.sum() > 0
    assert {bool(state.reason) for state in states} == {True, False}


def test_an_injected_peak_is_the_largest_excess_and_its_yield_is_right() -> None:
    state = state_of(play(monitor(), flat(20.0, 300.0)))
    assert state.all.excess is not None
    sigma_gev = SEARCHES[K_MU_N].sigma_mass_gev(MASS_GEV)
    assert state.all.excess.mass_gev == pytest.approx(MASS_GEV, abs=2 * sigma_gev)
    assert state.all.excess.p_global < 1e-3
    assert state.all.excess.signal == pytest.approx(300.0, abs=4 * np.sqrt(300 + 20 * 4 * 4))


def test_the_limit_is_a_branching_ratio_by_the_decays_of_the_channel() -> None:
    channel, search = SEARCHES[KMU2], SEARCHES[K_MU_N]
    value = sum(channel.channel.counted) / 2 if channel.channel else 0.0
    found = flat(20.0)
    spill = findings([KMU2] * 5000 + found.search.tolist(), [value] * 5000 + found.value.tolist())
    state = state_of(play(monitor(), spill))
    kaons = kaon_decays(channel, 5000, 400.0, MHZ)
    assert state.kaons == pytest.approx(kaons, rel=1e-4)
    excess = state.all.excess
    assert excess is not None
    one = per_event(search, excess.mass_gev, kaons, 400.0, MHZ)
    assert excess.limit_br == pytest.approx(excess.limit * one, rel=1e-4)


def test_without_decays_of_the_channel_there_is_a_limit_on_the_yield_alone() -> None:
    excess = state_of(play(monitor(), flat(20.0))).all.excess
    assert excess is not None
    assert np.isfinite(excess.limit)
    assert np.isnan(excess.limit_br)


def test_a_channel_counts_the_events_inside_of_its_range() -> None:
    channel = find_search("kmu2")
    assert channel.channel is not None
    axis = channel.axis
    counts = np.arange(axis.bins)
    low, high = channel.channel.counted
    expected = sum(k for k in range(axis.bins) if low < axis.low + axis.width * (k + 0.5) < high)
    assert counted(channel, counts) == expected


def test_an_alarm_needs_an_excess_in_even_and_odd_spills() -> None:
    signal, quiet = (flat(20.0, peak, seed) for peak, seed in ((150.0, 2), (0.0, 3)))
    both = state_of(play(monitor(), signal, flat(20.0, 150.0, 4)))
    assert "local significance" in both.alarm
    one = state_of(play(monitor(), flat(20.0, 300.0, 5), quiet))
    assert one.all.excess is not None
    assert one.all.excess.p_global < 1e-3
    assert one.alarm == ""


def test_no_signal_raises_no_alarm() -> None:
    peaks = monitor()
    for seed in range(8):
        play(peaks, flat(20.0, seed=10 + seed))
        assert state_of(peaks).alarm == ""


def test_nothing_selected_is_no_excess_and_a_limit() -> None:
    none: NDArray[np.float64] = np.zeros(0)
    state = state_of(play(monitor(), findings([], none.tolist())))
    assert state.all.selected == 0
    excess = state.all.excess
    assert excess is not None
    assert excess.p_local == 1.0
    assert excess.p_global > 0.99
    assert excess.limit == pytest.approx(2.303 / 0.866, rel=0.02)


def channel_and(found: Findings, n: int) -> Findings:
    """The same with so many events of K+ -> mu+ nu."""
    channel = SEARCHES[KMU2].channel
    assert channel is not None
    value = sum(channel.counted) / 2
    return findings([KMU2] * n + found.search.tolist(), [value] * n + found.value.tolist())


def test_a_spill_in_which_a_search_is_inactive_does_not_change_its_limit() -> None:
    spill = channel_and(flat(20.0), 5000)
    peaks = play(monitor(), spill)
    before = state_of(peaks)
    lines = [name for name in LINES if name != "PNN"]
    peaks.begin(lines, PARTS - {"hits/MUV3"}, l1=True, simulated=True)
    peaks.fill(spill)
    peaks.end(PRIMITIVES, FRAMES)
    after = state_of(peaks)
    assert after.reason
    assert str(after.all.excess) == str(before.all.excess)
    assert after.kaons == before.kaons


def test_a_spill_that_was_not_read_out_whole_counts_no_kaons() -> None:
    state = state_of(play(monitor(), channel_and(flat(20.0), 5000), whole=False))
    assert state.kaons == 0
    assert state.all.excess is not None
    assert np.isnan(state.all.excess.limit_br)


def test_without_events_of_its_channel_a_known_background_is_not_known() -> None:
    numbers = [search.name for search in SEARCHES]
    for name in ("pi0_inv", "k_mu_nu_x"):
        state = play(monitor(), findings([], [])).states()[numbers.index(name)]
        assert state.all.scan is None
        assert state.all.excess is None


def test_the_same_events_again_and_again_raise_no_alarm() -> None:
    found = flat(20.0, 40.0, 6)
    peaks = play(play(monitor(), found), *[found] * 20, new=False)
    assert peaks.cumulated.spills == 1
    assert state_of(peaks).alarm == ""
    assert str(state_of(peaks).all.excess) == str(state_of(play(monitor(), found)).all.excess)
