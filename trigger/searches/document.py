"""Print docs/searches.md from the searches: python -m trigger.searches.document > docs/searches.md"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from trigger.searches import cuts
from trigger.searches.catalogue import SEARCHES
from trigger.searches.search import PARENTS_PER_KAON, SQUARED_GEV2, STEPS_PER_SIGMA, THREE_BODY, Search, Table


def _range(span: tuple[float, float]) -> str:
    return f"{span[0]:g} to {span[1]:g}"


HEAD: Final = f"""# Searches

What the peak monitor looks for. Each search rides on trigger lines, selects candidates (`trigger/reconstruct`), fills
the spectrum of an observable, and scans it for a peak at every mass of its regions. Normalisation channels count the
decays of kaons. A search is one file of `trigger/searches`; this page is made of them:
`python -m trigger.searches.document > docs/searches.md`.

P is a four-momentum: P_K of the beam track as a kaon, P_pi of a track as a pion, and so on. Hypotheses are as far
apart as the step says, and closer where the resolution asks for it: {STEPS_PER_SIGMA:.0f} in a standard deviation.

*Resolution* and *acceptance* are measured on simulated signals (`tests/measure_searches.py`), from the decay in the
fiducial volume over L0 before downscaling and L1 to the selection; at 50 MHz of beam, but for pi_e_n at 750 MHz,
since its line takes decays of pions beside a kaon only. Of several lines the first counts. *Pile-up* is the factor on
the acceptance at 750 MHz. Acceptances are of decays of the parent, K+ unless a search says otherwise: for each decay
of a kaon in the fiducial volume there are {PARENTS_PER_KAON["pi+"]} of beam pions and {PARENTS_PER_KAON["pi0"]} pi0.
Peaks lie where they should within about a tenth of their resolution, but for a shift of 0.2 of it near the ends of
phase space (k_pi_aa at 5 MeV and k_pi_s at 20 MeV up, pi_e_n at 126 MeV down).

What the selections mean by their words (`trigger/searches/cuts.py`; chosen, unless a search says otherwise):

- *matched beam track*: the GTK's, in time, given to the decay, and the track, of charge +1, within {cuts.CDA_MM:g} mm
  of it; of a K+, {cuts.KAON_SECTORS} or more sectors of the KTAG in 2 ns. Without GTK these searches are inactive.
- *three, five tracks*: charge +1 in all, within {cuts.CDA_MM:g} mm of their vertex (root mean square). No beam track
  is needed.
- *pion*: square of the mass by the ring {_range(cuts.PION_RING_GEV2)} GeV^2, E/p below {cuts.PION_EOP}, no muon,
  inside of LKr and MUV3. One of several tracks: E/p below {cuts.PION_EOP}, no muon, not the ring of an electron.
- *electron*: E/p {_range(cuts.ELECTRON_EOP)}; ring {_range(cuts.ELECTRON_RING_GEV2)} GeV^2.
- *muon*: MUV3 in time where it arrives, E/p below {cuts.MUON_EOP}.

"""

COLUMNS: Final = (
    "search",
    "signal",
    "line",
    "observable",
    "masses, MeV",
    "resolution, MeV",
    "acceptance",
    "pile-up",
)


def searches_document() -> str:
    """Return the document."""
    rows = [COLUMNS, ("---",) * len(COLUMNS), *(_row(search) for search in SEARCHES)]
    table = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    return HEAD + table + "".join("".join(_section(search)) for search in SEARCHES)


def _row(search: Search) -> tuple[str, ...]:
    masses = ", ".join(_span(region.low_gev, region.high_gev) for region in search.regions)
    return (
        f"[{search.name}](#{search.name})",
        search.title,
        ", ".join(search.lines),
        search.observable,
        masses or "counts kaons",
        _resolution(search),
        _between([value for _, value in search.acceptance], "{:.3f}"),
        f"{search.pile_up[-1][1]:.2f}",
    )


def _span(low: float, high: float) -> str:
    return f"{1e3 * low:.0f}" if low == high else f"{1e3 * low:.0f}-{1e3 * high:.0f}"


def _between(values: list[float], form: str) -> str:
    low, high = form.format(min(values)), form.format(max(values))
    return low if low == high else f"{low}-{high}"


def _resolution(search: Search) -> str:
    """Return the resolution of the mass where it is known, of its square at zero mass."""
    if search.shape == THREE_BODY:
        return "no peak"
    masses = [mass for mass, _ in search.resolution if mass > 0.0]
    if not masses:
        return f"{search.sigma(0.0):.2g} GeV^2"
    return _between([1e3 * search.sigma_mass_gev(mass) for mass in masses], "{:.2g}")


def _section(search: Search) -> Iterator[str]:
    yield f"\n## {search.name}\n\n{search.title}: {search.reference}.\n\n"
    yield f"- Line: {', '.join(search.lines)}. Needs of the spill: {', '.join(search.needs)}.\n"
    yield f"- Selection: {search.selection}.\n"
    squared = search.unit == SQUARED_GEV2
    unit = "GeV^2" if squared else "GeV"
    axis = search.axis
    yield f"- Spectrum: {search.observable} = {search.formula}, "
    yield f"{axis.bins} bins of {axis.width:.3g} {unit} from {axis.low} to {axis.high}.\n"
    yield from _regions(search, unit)
    yield f"- Backgrounds: {search.backgrounds}.\n"
    yield from (f"- {line}.\n" for line in _known(search, unit))
    yield f"- Resolution of {search.observable} ({unit}) at mass (GeV): {_pairs(search.resolution)}.\n"
    yield f"- Acceptance at mass (GeV): {_pairs(search.acceptance)}; pile-up at MHz: {_pairs(search.pile_up)}.\n"
    if search.channel is None:
        yield f"- Normalisation: {search.normalisation}; parent {search.parent}.\n"


def _regions(search: Search, unit: str) -> Iterator[str]:
    for region in search.regions:
        n = len(search.masses(region))
        what = "counted" if search.expected else f"sidebands, polynomial of order {region.order},"
        yield f"- Region {region.name}: {1e3 * region.low_gev:.1f} to {1e3 * region.high_gev:.1f} MeV, {n} "
        yield f"hypothes{'is' if n == 1 else 'es'}, step {1e3 * search.step_gev:g} MeV at most; {what} from "
        yield f"{region.fit[0]:g} to {region.fit[1]:g} {unit}.\n"


def _known(search: Search, unit: str) -> Iterator[str]:
    """Yield what is known of backgrounds, and of a channel."""
    for expected, where in ((search.expected, ""), (search.expected_simulated, " in simulated spills")):
        if expected is not None:
            per = (
                f"from {expected.per[0]} to {expected.per[1]} {unit}"
                if expected.per
                else f"of {search.normalisation}"
            )
            density = f"{_pairs(expected.density)}, to {100 * expected.error:.0f}%"
            yield f"Expected background{where}, events a {unit} for each event {per}: {density}"
    if search.channel is not None:
        low, high = search.channel.counted
        yield f"Counts from {low} to {high} {unit}; branching ratio {search.channel.branching_ratio}"


def _pairs(table: Table) -> str:
    return ", ".join(f"{value:.3g} at {at:g}" for at, value in table)


if __name__ == "__main__":
    print(searches_document(), end="")
