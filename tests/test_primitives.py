"""From hits to primitives: clusters, limits of the boards, and the bits of the IDs, against a plain loop."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.catalogue import load_experiment
from streams.simulate.apparatus import load_apparatus
from streams.simulate.detectors.hit import CHOD, L0_NAMES, LAV12, LKR, MUV3, NEWCHOD, RICH
from streams.simulate.detectors.primitives import Primitives
from trigger.clock import LSB_NS, LSB_PER_FRAME

NA62 = load_experiment("na62")
APPARATUS = load_apparatus("na62")
PRIMITIVES = Primitives(APPARATUS, NA62)
N_FRAMES = 2

Hit = tuple[int, int]


def bit(detector: int, name: str) -> int:
    return 1 << NA62.find(L0_NAMES[detector]).bits[name]


def names_of(detector: int, identity: int) -> set[str]:
    """Conditions of an ID, the detector's own and aliases left out."""
    bits = NA62.find(L0_NAMES[detector]).bits
    return {name for name, number in bits.items() if identity >> number & 1} - {
        L0_NAMES[detector],
        "LKr10",
        "LKr20",
    }


def make(detector: int, hits: list[Hit]) -> list[Hit]:
    """[(time, id)] of the primitives."""
    packed = np.array([(time << 16) | identity for time, identity in hits], np.int64)
    stream = PRIMITIVES.make(detector, packed, 0, N_FRAMES)
    stream.check()
    return list(zip(stream.times_lsb().tolist(), stream.ids().tolist(), strict=True))


def opposite(quadrants: set[int]) -> bool:
    return {0, 2} <= quadrants or {1, 3} <= quadrants


def naive_newchod(ids: list[int]) -> set[str]:
    tiles = {(i // 100, i % 100 % 50) for i in ids}
    tight = {t for t in tiles if {t[0] * 100 + t[1], t[0] * 100 + t[1] + 50} <= set(ids)}
    quadrants, outer = {q - 1 for q, _ in tiles}, [t for t in tiles if t[1] not in (1, 5)]
    holds = {
        "Q1": True, "H1": True, "Q2": len(quadrants) >= 2, "QX": opposite(quadrants), "UTMC": len(tiles) < 5,
        "H2": len(tiles) >= 2, "HO1": bool(outer), "HT1": bool(tight), "HTO1": bool(tight & set(outer)),
    } | {f"QE{q + 1}": quadrants == {q} for q in range(4)}  # fmt: skip
    return {name for name, held in holds.items() if held}


def naive_muv3(ids: list[int]) -> set[str]:
    pads = {i % 200 for i in ids}
    tight = {pad for pad in pads if {pad, pad + 200} <= set(ids)}
    outer = {pad for pad in pads if pad < 144}

    def quadrant(pad: int) -> int:
        right, up = pad % 12 >= 6, pad // 12 >= 6
        return {(True, True): 0, (False, True): 1, (False, False): 2, (True, False): 3}[right, up]

    holds = {
        "M1": True, "M2": len(pads) >= 2, "MO1": bool(outer), "MO2": len(outer) >= 2,
        "MOQX": opposite({quadrant(p) for p in outer}), "MT1": bool(tight), "MTO1": bool(tight & outer),
    }  # fmt: skip
    return {name for name, held in holds.items() if held}


def naive_lkr(ids: list[int]) -> set[str]:
    energy, n = sum((i + 0.5) * 0.002 for i in ids), len(ids)
    names = {f"E{threshold}" for threshold in (1, 2, 5, 10, 20, 30, 40) if energy > threshold}
    names |= {"C1"} if n == 1 else {"C2"}
    if energy > 10:
        names.add("C1E10" if n == 1 else "C2E10")
    if energy > 30 or (energy > 5 and n >= 2):
        names.add("LKr30")
    return names


def naive_primitives(detector: int, hits: list[Hit]) -> Iterator[tuple[int, set[str]]]:
    """(time, conditions) of each primitive."""
    window = round(APPARATUS.l0_cluster_ns[detector] / LSB_NS)
    kept = sorted((h for h in hits if 0 <= h[0] < N_FRAMES * LSB_PER_FRAME), key=lambda h: h[0])
    if detector == LAV12:
        kept = [h for h in kept if h[1] < 1 << 15 and h[1] % 2 == 0]
    in_split: dict[int, int] = {}
    clusters: list[list[Hit]] = []
    for hit in kept:
        split = hit[0] // 1024
        in_split[split] = in_split.get(split, 0) + 1
        if in_split[split] > 32:
            continue
        first = clusters[-1][0][0] if clusters else None
        if first is None or hit[0] - first > window or hit[0] // LSB_PER_FRAME != first // LSB_PER_FRAME:
            clusters.append([hit])
        elif len(clusters[-1]) < 32:
            clusters[-1].append(hit)
    sent: dict[int, int] = {}
    for cluster in clusters:
        first, ids = cluster[0][0], [identity for _, identity in cluster]
        time = first + sum(t - first for t, _ in cluster) // len(cluster)
        if detector == RICH and sum(ids) < 2:
            continue
        if detector == CHOD and not {i // 16 for i in ids if i < 64} & {
            (i - 64) // 16 for i in ids if i >= 64
        }:
            continue
        slot = time // 256 if detector == RICH else first // 1024
        sent[slot] = sent.get(slot, 0) + 1
        if detector in (RICH, MUV3, NEWCHOD) and sent[slot] > (4 if detector == RICH else 8):
            continue
        names = {MUV3: naive_muv3, NEWCHOD: naive_newchod, LKR: naive_lkr}.get(detector, lambda _ids: set())(
            ids
        )
        yield time, names


IDS = {
    CHOD: st.integers(0, 127),
    RICH: st.integers(1, 3),
    LAV12: st.integers(11 * 512, 12 * 512 - 1).flatmap(lambda i: st.sampled_from([i, i | 1 << 15])),
    MUV3: st.integers(0, 151).flatmap(lambda i: st.sampled_from([i, i + 200])),
    NEWCHOD: st.tuples(st.integers(1, 4), st.integers(1, 38), st.sampled_from([0, 50])).map(
        lambda t: 100 * t[0] + t[1] + t[2]
    ),
    LKR: st.integers(500, 20_000),
}


@pytest.mark.parametrize("detector", IDS)
@settings(max_examples=60)
@given(data=st.data(), spread=st.sampled_from([60, 1500, 3 * LSB_PER_FRAME]))
def test_primitives_are_those_of_a_hit_by_hit_loop(detector: int, data: st.DataObject, spread: int) -> None:
    middle = LSB_PER_FRAME
    times = st.integers(middle - spread, middle + spread)
    hits = data.draw(st.lists(st.tuples(times, IDS[detector]), max_size=80))
    found = [(time, names_of(detector, identity)) for time, identity in make(detector, hits)]
    assert found == list(naive_primitives(detector, hits))


@pytest.mark.parametrize("detector", IDS)
def test_each_primitive_has_its_detectors_bit(detector: int) -> None:
    hits = {CHOD: [(5, 0), (5, 64)], RICH: [(5, 2)], LAV12: [(5, 5632)]}.get(detector, [(5, 101)])
    ((_, identity),) = make(detector, hits)
    assert identity & bit(detector, L0_NAMES[detector])


def test_five_tiles_are_too_many_for_utmc_and_four_are_not() -> None:
    four = [(10, 101), (10, 102), (10, 201), (10, 202)]
    for hits, expected in ((four, True), ([*four, (10, 301)], False)):
        ((_, identity),) = make(NEWCHOD, hits)
        assert bool(identity & bit(NEWCHOD, "UTMC")) == expected


def test_the_second_tube_of_a_pad_is_not_a_second_pad() -> None:
    ((_, identity),) = make(MUV3, [(10, 30), (12, 230)])
    assert names_of(MUV3, identity) == {"M1", "MO1", "MT1", "MTO1"}


def test_tiles_of_two_quadrants_are_two_tiles_whatever_their_ids() -> None:
    """352, a second tube, and 402, a first one, differ by 50 as two tubes of one tile do."""
    ((_, identity),) = make(NEWCHOD, [(10, 352), (10, 402)])
    assert {"H2", "Q2"} <= names_of(NEWCHOD, identity)


def test_hits_of_two_decays_within_the_window_are_one_primitive() -> None:
    window = round(APPARATUS.l0_cluster_ns[MUV3] / LSB_NS)
    assert len(make(MUV3, [(10, 0), (10 + window, 143)])) == 1
    assert len(make(MUV3, [(10, 0), (11 + window, 143)])) == 2


def test_two_clusters_above_5_gev_are_lkr30_and_one_is_not() -> None:
    for hits, expected in (([(10, 1300), (12, 1300)], True), ([(10, 2600)], False), ([(10, 15_001)], True)):
        ((_, identity),) = make(LKR, hits)
        assert bool(identity & bit(LKR, "LKr30")) == expected
    assert math.isclose(2600.5 * 0.002, 5.201)
