"""What the monitors know after a spill, as one JSON file; its form is in docs/monitors-snapshot.md."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from math import isfinite
from typing import Annotated, Any, Final, Literal

import numpy as np
from pydantic import BeforeValidator, Field, JsonValue, Strict, model_validator

from streams.monitors.uhi import Histogram, Part
from trigger.errors import KtrigError
from trigger.toml_source import NEAR, Name, fault, shown

DIGITS: Final = 6
"""Significant digits of a fraction in the file: a spill's snapshot stays below 2 MB."""

MOST_SPILLS: Final = 1000
"""Rows of the history."""

PARTS: Final = ("", "even", "odd", "spill")
"""Spectra of a search: of all spills, of every second one, of the others, of the last one."""

BAND: Final = (-2, -1, 0, 1, 2)
"""Standard deviations at which the limit that is expected without a signal is given."""


class SnapshotError(KtrigError):
    """A snapshot that cannot be used or written; the message names file, field, value and remedy."""


def plain(value: object) -> Any:
    """Return a value as JSON has it: lists, own numbers, DIGITS of a fraction, None for what is not finite."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, float):
        return _rounded(value)
    if isinstance(value, dict):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        # Nearly all that there is are long lists of fractions.
        fractions = all(type(entry) is float for entry in value)
        return [_rounded(entry) for entry in value] if fractions else [plain(entry) for entry in value]
    return value


def _rounded(value: float) -> float | None:
    return float(f"{value:.{DIGITS}g}") if isfinite(value) else None


_PLAIN: Final = BeforeValidator(plain)

Count = Annotated[int, Strict(), Field(ge=0), _PLAIN]
Number = Annotated[float, Strict(), _PLAIN]
Known = Annotated[float | None, Strict(), _PLAIN]
"""A number, None where it is not known."""

_Entry = Annotated[float, Strict()] | None

Row = Annotated[tuple[_Entry, ...], _PLAIN]
"""A number for each mass, None where it is not known."""

Band = Annotated[tuple[tuple[_Entry, _Entry, _Entry, _Entry, _Entry], ...], _PLAIN]
"""A tuple of five for each mass: the limits of BAND."""


class ChannelSums(Part):
    """What turns the yield of a search into a branching ratio, of the spills in which it and its channel were active.

    channel: events of its normalisation channel. primitives: of the detector that the intensity is from, in so many
    frames.
    """

    channel: Count = 0
    primitives: Count = 0
    frames: Count = 0


class ScannedRegion(Part):
    """A range of masses that is scanned."""

    name: str
    low_gev: Number
    high_gev: Number


class ScanRows(Part):
    """A scan: one entry for each mass, in the order of regions and mass; None where it could not be scanned.

    mass_gev; at, sigma: where that mass lies in the spectrum, and its resolution there, in the unit of the
    observable; n, background and its error: in the window; z, p_local: local significance and p-value; signal and its
    error, limit, expected: yields; limit_br, expected_br: branching ratios, None without a normalisation.
    fitted_density: events of background in each bin of the spectrum, None where there is no fit; None if not kept.
    """

    mass_gev: Row
    at: Row
    sigma: Row
    n: Row
    background: Row
    background_error: Row
    z: Row
    p_local: Row
    signal: Row
    signal_error: Row
    limit: Row
    expected: Band
    limit_br: Row | None = None
    expected_br: Band | None = None
    fitted_density: Row | None = None

    @model_validator(mode="after")
    def _lengths(self) -> ScanRows:
        for name in ScanRows.model_fields:
            row = getattr(self, name)
            if name != "fitted_density" and row is not None and len(row) != len(self.mass_gev):
                what = f"must have {len(self.mass_gev)} entries, as mass_gev (has {len(row)})"
                raise fault((name,), what)
        if None in self.mass_gev:
            raise fault(("mass_gev", self.mass_gev.index(None)), "must be a number (is null)")
        return self


class Excess(Part):
    """The mass of the smallest local p-value."""

    mass_gev: Number
    z: Known
    p_local: Number
    p_global: Known
    limit: Known
    limit_br: Known = None


class SearchResult(Part):
    """A search, or a normalisation channel (no regions, no scan). reason: why it is not active.

    observable: what its spectrum is of, in words or TeX; unit: of it. selected: events in all of its spectrum.
    """

    name: Name
    title: str
    reference: str
    active: bool
    reason: str = ""
    lines: tuple[str, ...]
    unit: Literal["GeV", "GeV2"]
    observable: str
    normalisation: str
    selected: Count
    regions: tuple[ScannedRegion, ...] = ()
    scan: ScanRows | None = None
    largest: Excess | None = None
    alarm: bool = False
    alarm_reason: str = ""


class Normalisation(Part):
    """A channel of known branching ratio: the decays of kaons that it stands for, None if they are not known."""

    name: Name
    selected: Count
    kaon_decays: Known


class SpillRow(Part):
    """A spill of the history. selected: events, by search."""

    run: Count
    burst: Count
    index: Count
    duty_factor: Known
    quality: str
    selected: dict[str, Count]


class Snapshot(Part):
    """The monitors after the last spill, with all before it.

    spills: how many were played, interrupted: how many of these not to their end. seen: which are in the spectra,
    each once. channels: of even and odd ones, by search. histograms: by `histogram_name`. spill: the report on the
    intensity of the last spill. history: the last MOST_SPILLS, oldest first.
    """

    experiment: str
    menu: str
    menu_hash: str
    spills: Count = 0
    interrupted: Count = 0
    channels: tuple[dict[str, ChannelSums], dict[str, ChannelSums]] = ({}, {})
    seen: tuple[str, ...] = ()
    searches: tuple[SearchResult, ...] = ()
    normalisation: tuple[Normalisation, ...] = ()
    histograms: dict[str, Histogram] = Field(default_factory=dict)
    spill: Annotated[dict[str, JsonValue] | None, _PLAIN] = None
    history: Annotated[tuple[SpillRow, ...], Field(max_length=MOST_SPILLS)] = ()

    @model_validator(mode="after")
    def _whole(self) -> Snapshot:
        names = [search.name for search in self.searches]
        for row, search in enumerate(self.searches):
            if search.name in names[:row]:
                raise fault(("searches", row, "name"), f"must be there once (is {shown(search.name)})")
            self._check_spectrum(row, search)
        return self

    def _check_spectrum(self, row: int, search: SearchResult) -> None:
        histogram = self.histograms.get(search.name)
        if histogram is None:
            if search.active:
                raise fault(("histograms", search.name), "missing; an active search has its spectrum here")
            return
        fitted = search.scan.fitted_density if search.scan else None
        bins = histogram.axes[0].bins
        if fitted is not None and len(fitted) != bins:
            what = f"must have {bins} entries, as the axis of its histogram (has {len(fitted)})"
            raise fault(("searches", row, "scan", "fitted_density"), what)

    def search(self, name: str) -> SearchResult:
        """Return the search of a name. Raises SnapshotError, which names one like it."""
        for search in self.searches:
            if search.name == name:
                return search
        raise SnapshotError(f"search {shown(name)} is not in the snapshot; {_offer(name, self.searches)}")


def histogram_name(search: str, part: str = "") -> str:
    """Return the key of a spectrum in `Snapshot.histograms`; part: one of PARTS."""
    return f"{search}/{part}" if part else search


def _offer(name: str, searches: Iterable[SearchResult]) -> str:
    names = [search.name for search in searches]
    near = get_close_matches(name, names, n=1, cutoff=NEAR)
    if near:
        return f"did you mean {near[0]}?"
    return f"it has {', '.join(names)}" if names else "it has none"
