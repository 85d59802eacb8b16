"""All searches by name, and what they take of a block of events."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trigger.errors import KtrigError
from trigger.reconstruct.candidates import KINDS, Candidates
from trigger.searches import (
    k2pi,
    k3pi,
    k_e_n,
    k_mu_n,
    k_mu_nu_x,
    k_pi_aa,
    k_pi_ee,
    k_pi_gg,
    k_pi_mumu,
    k_pi_s,
    k_pi_x,
    kmu2,
    pi0_dark_photon,
    pi0_inv,
    pi_e_n,
)
from trigger.searches.collect import collect
from trigger.searches.search import Search
from trigger.toml_source import NEAR

_FILES: Final = (
    k_pi_x,
    pi0_inv,
    k_pi_mumu,
    k_pi_gg,
    pi0_dark_photon,
    k_e_n,
    k_mu_n,
    pi_e_n,
    k_mu_nu_x,
    k_pi_aa,
    k_pi_s,
    k_pi_ee,
    k2pi,
    kmu2,
    k3pi,
)

SEARCHES: Final[tuple[Search, ...]] = tuple(file.SEARCH for file in _FILES)
"""Searches in the order of a review (E. Goudzovski, Light Dark World, Madrid 2025), then normalisation channels."""


_OF_KIND: Final = tuple([n for n, s in enumerate(SEARCHES) if s.kind == kind] for kind in KINDS)
"""Places of the searches of each kind of candidates."""

_SELECTS: Final = tuple(dict.fromkeys((search.select, [*KINDS].index(search.kind)) for search in SEARCHES))
"""The kernels, each once: some searches share one. And the number of the kind of candidates."""

_NUMBERS: Final = np.array([n for numbers in _OF_KIND for n in numbers])
_FIRST: Final = np.cumsum([0, *(len(numbers) for numbers in _OF_KIND)])
_ROWS: Final = np.array(
    [[select for select, _kind in _SELECTS].index(SEARCHES[n].select) for n in _NUMBERS.tolist()]
)
"""For `collect`."""


class SearchError(KtrigError):
    """A search that is not there."""


class Entries(NamedTuple):
    """What searches take, in the order of events and, in an event, of searches.

    event: int32[k], place in the block. search: uint8[k], place in SEARCHES. value: float32[k], the observable.
    """

    event: NDArray[np.int32]
    search: NDArray[np.uint8]
    value: NDArray[np.float32]


def find_search(name: str) -> Search:
    """Return a search by name. Raises SearchError that names near ones."""
    known = {search.name: search for search in SEARCHES}
    if name in known:
        return known[name]
    near = get_close_matches(name, known, cutoff=NEAR)
    meant = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(known)}"
    raise SearchError(f"search {name!r}: there is none of this name; {meant}")


def number_of(name: str) -> int:
    """Return the place of a search in SEARCHES. Raises SearchError as `find_search`."""
    return SEARCHES.index(find_search(name))


def entries(candidates: Candidates) -> Entries:
    """Return what all searches take of a block. Lines, and parts that searches need, are not looked at."""
    observables = np.empty((len(_SELECTS), max(map(len, candidates))))
    for row, (select, kind) in enumerate(_SELECTS):
        some = candidates[kind]
        select(some, observables[row, : len(some)])
    one, three, five = (np.ascontiguousarray(some["event"]) for some in candidates)
    most = sum(len(some) * len(numbers) for some, numbers in zip(candidates, _OF_KIND, strict=True))
    event, search, value = np.empty(most, np.int32), np.empty(most, np.uint8), np.empty(most, np.float32)
    n = collect(one, three, five, observables, _FIRST, _NUMBERS, _ROWS, event, search, value)
    return Entries(event[:n], search[:n], value[:n])
