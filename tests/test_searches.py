"""The selections of the searches: against plain twins, and cut by cut."""

from __future__ import annotations

import numpy as np
import pytest
from naive_searches import TWINS
from numpy.typing import NDArray
from search_cases import CASES, Case, candidate, put, random_candidates

from trigger.reconstruct.candidates import KINDS, Candidates
from trigger.searches.catalogue import SEARCHES, SearchError, entries, find_search, number_of
from trigger.searches.search import Search

NAMES = [search.name for search in SEARCHES]


def observable(search: Search, candidates: NDArray[np.void]) -> NDArray[np.float64]:
    """What the search's kernel gives."""
    found = np.full(len(candidates), -1.0)
    search.select(candidates, found)
    return found


EACH_CASE = [
    pytest.param(name, case, id=f"{name}-{n}")
    for name, cases in CASES.items()
    for n, case in enumerate(cases)
]


@pytest.mark.parametrize("name", NAMES)
def test_a_search_takes_what_its_plain_twin_takes(name: str) -> None:
    search = find_search(name)
    some = random_candidates(search.kind, 3000, np.random.default_rng(1))
    # Of single tracks few pass all cuts by chance: those with one thing amiss say more.
    made = [some, *amiss(name, np.random.default_rng(2))]
    for candidates in made:
        np.testing.assert_allclose(observable(search, candidates), TWINS[name](candidates), rtol=1e-6)
    assert sum(np.count_nonzero(~np.isnan(TWINS[name](candidates))) for candidates in made) > 100


def amiss(name: str, rng: np.random.Generator) -> list[NDArray[np.void]]:
    """Candidates that a search takes, but for one to three fields that are those of random candidates."""
    search, found = find_search(name), []
    for case in CASES[name]:
        good = np.repeat(candidate(search.kind, case.fields), 1500)
        other = random_candidates(search.kind, len(good), rng)
        names = np.array(good.dtype.names)
        for row in range(len(good)):
            for field in rng.choice(names, rng.integers(1, 4), replace=False):
                good[field][row] = other[field][row]
        found.append(good)
    return found


@pytest.mark.parametrize(("name", "case"), EACH_CASE)
def test_each_cut_alone_decides(name: str, case: Case) -> None:
    search = find_search(name)
    for one in case.cuts:
        made = candidate(search.kind, case.fields)
        for value in one.passes:
            put(made, one.place, value)
            assert not np.isnan(observable(search, made))[0], f"{one} = {value} should pass"
        for value in one.fails:
            put(made, one.place, value)
            assert np.isnan(observable(search, made))[0], f"{one} = {value} should not pass"


@pytest.mark.parametrize("name", NAMES)
def test_the_observable_is_the_field_that_is_stated(name: str) -> None:
    search = find_search(name)
    for case in CASES[name]:
        made = candidate(search.kind, case.fields)
        field, *index = case.observable
        value = float(np.mean(made[field][(0, *index)]))
        if name == "k_pi_gg":
            value = np.sqrt(value)
        assert observable(search, made)[0] == pytest.approx(value, rel=1e-6)


def test_three_electrons_without_clusters_are_told_by_their_rings() -> None:
    search = find_search("k_pi_ee")
    made = candidate(search.kind, CASES["k_pi_ee"][0].fields)
    made["eop"][0, :2] = 0.0
    assert np.isnan(observable(search, made))[0]
    made["ring_m2_gev2"][0, :2] = 0.0
    assert not np.isnan(observable(search, made))[0]


def test_a_search_takes_nothing_of_nothing() -> None:
    for search in SEARCHES:
        assert len(observable(search, np.zeros(0, KINDS[search.kind]))) == 0


def block(n: int, seed: int) -> Candidates:
    """Candidates of all kinds, some of which are taken."""
    rng = np.random.default_rng(seed)
    parts = {}
    for kind in KINDS:
        takers = [name for name in NAMES if find_search(name).kind == kind]
        good = [candidate(kind, CASES[name][0].fields) for name in takers for _ in range(3)]
        made = np.concatenate([*good, random_candidates(kind, n, rng)])
        made["event"] = np.arange(len(made)) * 3 + list(KINDS).index(kind)
        parts[kind] = made[: len(made)]
    return Candidates(**parts)


def test_entries_are_what_each_search_takes_in_the_order_of_event_and_search() -> None:
    candidates = block(200, 4)
    found = entries(candidates)
    expected = []
    for number, search in enumerate(SEARCHES):
        some = getattr(candidates, search.kind)
        values = TWINS[search.name](some)
        expected += [(int(e), number, float(v)) for e, v in zip(some["event"], values, strict=True) if v == v]
    assert [*zip(found.event.tolist(), found.search.tolist(), strict=True)] == sorted(
        (event, number) for event, number, _ in expected
    )
    np.testing.assert_allclose(found.value, [value for _, _, value in sorted(expected)], rtol=1e-6)
    assert [str(column.dtype) for column in found] == ["int32", "uint8", "float32"]


def test_a_block_without_candidates_has_no_entries() -> None:
    found = entries(Candidates(*(np.zeros(0, KINDS[kind]) for kind in KINDS)))
    assert [len(column) for column in found] == [0, 0, 0]
    assert [str(column.dtype) for column in found] == ["int32", "uint8", "float32"]


def test_a_name_that_is_not_there_names_near_ones() -> None:
    with pytest.raises(SearchError, match="did you mean k_pi_x"):
        find_search("k_pi_xx")
    with pytest.raises(SearchError, match="known are k_pi_x, pi0_inv"):
        number_of("?")
    assert [number_of(name) for name in NAMES] == [*range(len(SEARCHES))]
