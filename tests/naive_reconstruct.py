"""The slow, obvious twin of `trigger.reconstruct`: one event at a time, times whole numbers of LSB since SOB.

It shares the numbers of `detectors` with it, and no formula.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trigger.clock import LSB_NS
from trigger.particles import M_ELECTRON_GEV, M_KAON_GEV, M_MUON_GEV, M_PI0_GEV, M_PION_GEV
from trigger.reconstruct import detectors as d

MAGNET = 197645.0
AXIS = 114.0, 0.0012
TRAILING = 0x8000

Vector = NDArray[np.float64]
Found = dict[str, Any]


class Track(NamedTuple):
    """A track of L1, in mm: y and dy at the magnet's centre; x, dx in front of it and behind."""

    charge: int
    dy: float
    y: float
    dx: float
    x: float
    dx_after: float
    x_after: float


class Object(NamedTuple):
    """A record at a time in LSB since SOB."""

    time: int
    values: Mapping[str, float]


@dataclass
class PlainEvent:
    """time: LSB since SOB. hits: (time, ID) by detector. n_tracks: as L1 has it."""

    time: int
    tracks: list[Track]
    n_tracks: int
    wanted: bool = True
    hits: dict[str, list[tuple[int, int]]] = field(default_factory=dict)


@dataclass
class PlainBlock:
    """Events, and the records of all of them."""

    events: list[PlainEvent]
    beam: list[Object]
    clusters: list[Object]
    rings: list[Object]


def candidates(block: PlainBlock) -> dict[str, list[Found]]:
    """Return the candidates by kind, each the fields of its record."""
    kinds = {1: "one_track", 3: "three_tracks", 5: "five_tracks"}
    found: dict[str, list[Found]] = {name: [] for name in kinds.values()}
    for number, event in enumerate(block.events):
        if not event.wanted or event.n_tracks not in kinds:
            continue
        if abs(sum(track.charge for track in event.tracks)) != 1:
            continue
        made = {1: _one_track, 3: _three_tracks, 5: _five_tracks}[event.n_tracks](event, block)
        found[kinds[event.n_tracks]].append({"event": number, **made})
    return found


def _near(objects: Sequence[Object], time: int, within_ns: float) -> list[Object]:
    return [o for o in objects if abs(o.time - time) * LSB_NS <= within_ns]


def _beam(event: PlainEvent, block: PlainBlock) -> Found:
    """p (vector), and a point and the direction of the line, with the fields of the candidate."""
    near = _near(block.beam, event.time, d.BEAM_NS)
    for source, matched in ((2, 1), (1, 0)):
        of_kind = [o for o in near if o.values["matched"] == matched]
        if of_kind:
            best = min(of_kind, key=lambda o: abs(o.time - event.time))
            v = best.values
            direction = np.array([v["dx_dz"], v["dy_dz"], 1.0])
            p = v["p_gev"]
            dt = (best.time - event.time) * LSB_NS
            point = np.array([v["x_mm"], v["y_mm"], d.GTK3_MM])
            return {"beam": source, "dt": dt, "p": p, "direction": direction, "point": point}
    return {
        "beam": 0,
        "dt": math.nan,
        "p": d.BEAM_GEV,
        "direction": np.array([AXIS[1], 0.0, 1.0]),
        "point": np.array([AXIS[0], 0.0, MAGNET]),
    }


def _unit(v: Vector) -> Vector:
    return np.asarray(v / np.linalg.norm(v))


def momentum(track: Track) -> Vector:
    """The magnet changes the angle in the x-z plane, in which the momentum keeps its size."""
    before, after = math.atan(track.dx), math.atan(track.dx_after)
    p_xz = 0.270 / abs(math.sin(before) - math.sin(after))
    pz = p_xz * math.cos(before)
    return np.array([p_xz * math.sin(before), track.dy * pz, pz])


def _behind(track: Track, z: float) -> tuple[float, float]:
    return track.x_after + track.dx_after * (z - MAGNET), track.y + track.dy * (z - MAGNET)


def _times(event: PlainEvent, name: str, within_ns: float) -> list[int]:
    return [i for t, i in event.hits.get(name, []) if abs(t - event.time) * LSB_NS <= within_ns]


def in_pad(pad: int, x: float, y: float, margin: float) -> bool:
    """Whether a point is in a pad, or at most `margin` from it, edges taken one by one."""
    if pad < 144:
        row, column = divmod(pad, 12)
        centre = (column - 5.5) * 220.0, (row - 5.5) * 220.0
        return max(abs(x - centre[0]), abs(y - centre[1])) <= 110.0 + margin
    octant = pad - 144
    # Signs that turn the octant into 0 < y < 220, 0 < x < y (even) or 0 < y < x (odd).
    x, y = (-x if octant & 2 else x), (-y if octant & 4 else y)
    if octant & 1:
        x, y = y, x
    return min(x, y) >= -margin and max(x, y) <= 220.0 + margin and (x - y) / math.sqrt(2.0) <= margin


def is_muon(event: PlainEvent, track: Track, p: float) -> int:
    """1 if a pad has a hit in time where the track arrives."""
    x, y = _behind(track, d.MUV3_MM)
    margin = d.PAD_MARGIN_MM + d.PAD_MARGIN_MM_GEV / p
    pads = set()
    for identity in _times(event, "MUV3", d.MUV3_NS):
        for pad in (identity, identity - 200):
            if 0 <= pad < 152:
                pads.add(pad)
    return int(any(in_pad(pad, x, y, margin) for pad in pads))


def _ring(event: PlainEvent, block: PlainBlock, track: Track, p: float) -> tuple[float, float]:
    centre = d.RICH_FOCAL_MM * np.array([track.dx_after, track.dy])
    near = [
        (float(np.hypot(o.values["x_mm"] - centre[0], o.values["y_mm"] - centre[1])), o)
        for o in _near(block.rings, event.time, d.RICH_NS)
    ]
    near = [pair for pair in near if pair[0] < d.RING_MM]
    if not near:
        return math.nan, math.nan
    radius = min(near, key=lambda pair: pair[0])[1].values["radius_mm"]
    beta = 1.0 / ((1.0 + d.RICH_REFRACTION) * math.cos(math.atan(radius / d.RICH_FOCAL_MM)))
    return radius, p * p * (1.0 / beta**2 - 1.0)


def _in_lkr(x: float, y: float) -> int:
    corners = [(x * math.cos(a) + y * math.sin(a)) for a in np.arange(8) * math.pi / 4]
    return int(max(corners) <= d.LKR_APOTHEM_MM and math.hypot(x, y) > d.LKR_HOLE_MM)


class Measured(NamedTuple):
    """A track with what the detectors say."""

    charge: int
    p: Vector
    gev: float
    muon: int
    ring_mm: float
    ring_m2: float
    energy: float
    track: Track


def _measured(event: PlainEvent, block: PlainBlock) -> tuple[list[Measured], list[Object]]:
    """Return tracks and photons, those of higher energy first."""
    clusters = _near(block.clusters, event.time, d.LKR_NS)
    impacts = [_behind(track, d.LKR_MM) for track in event.tracks]

    def away(o: Object, at: tuple[float, float]) -> float:
        return math.hypot(o.values["x_mm"] - at[0], o.values["y_mm"] - at[1])

    tracks = []
    for track, at in zip(event.tracks, impacts, strict=True):
        p = momentum(track)
        size = float(np.linalg.norm(p))
        own = [o for o in clusters if away(o, at) < d.CLUSTER_MM]
        energy = min(own, key=lambda o: away(o, at)).values["energy_gev"] if own else 0.0
        muon = is_muon(event, track, size)
        tracks.append(Measured(track.charge, p, size, muon, *_ring(event, block, track, size), energy, track))
    photons = [
        o
        for o in clusters
        if o.values["energy_gev"] > d.PHOTON_GEV and all(away(o, at) > d.PHOTON_MM for at in impacts)
    ]
    return tracks, sorted(photons, key=lambda o: -o.values["energy_gev"])


def _common(event: PlainEvent, photons: list[Object], beam: Found, vertex: Vector, cda: float) -> Found:
    lav = [i for i in _times(event, "LAV", d.VETO_NS) if i < TRAILING and i % 2 == 0 and 1 <= i // 512 <= 10]
    small = [i for i in _times(event, "IRCSAC", d.VETO_NS) if i < 128 and i % 2 == 0]
    sectors = {i // 48 for i in _times(event, "KTAG", d.KTAG_NS) if i < 8 * 48}
    return {
        "beam": beam["beam"],
        "beam_p_gev": beam["p"],
        "beam_dt_ns": beam["dt"],
        "kaon_sectors": len(sectors),
        "lav_hits": len(lav),
        "small_angle_hits": len(small),
        "n_photons": len(photons),
        "photons_gev": sum(o.values["energy_gev"] for o in photons),
        "x_mm": vertex[0],
        "y_mm": vertex[1],
        "z_mm": vertex[2],
        "cda_mm": cda,
    }


def closest(point_1: Vector, way_1: Vector, point_2: Vector, way_2: Vector) -> tuple[Vector, float]:
    """Return the middle between two lines in space where they are closest, and their distance there."""
    normal = np.cross(way_1, way_2)
    steps = np.linalg.solve(np.stack([way_1, -way_2, normal], axis=1), point_2 - point_1)
    a, b = point_1 + steps[0] * way_1, point_2 + steps[1] * way_2
    return (a + b) / 2, float(np.linalg.norm(a - b))


def of_lines(tracks: Sequence[Track]) -> tuple[Vector, float]:
    """Return the point of the least squares: x - dx z = x_i, y - dy z = y_i for each track i."""
    rows, right = [], []
    for t in tracks:
        rows += [[1.0, 0.0, -t.dx], [0.0, 1.0, -t.dy]]
        right += [t.x, t.y]
    matrix, values = np.array(rows), np.array(right)
    point = np.linalg.lstsq(matrix, values, rcond=None)[0]
    rms = math.sqrt(float(((matrix @ point - values) ** 2).sum()) / len(tracks))
    return point + np.array([0.0, 0.0, MAGNET]), rms


def four(p: Vector, mass: float) -> Vector:
    """(E, px, py, pz) of a particle."""
    return np.array([math.sqrt(float(p @ p) + mass**2), *p])


def m2(a: Vector) -> float:
    """E^2 - p^2."""
    return float(a[0] ** 2 - a[1:] @ a[1:])


def mass(*particles: Vector) -> float:
    """Invariant mass."""
    return math.sqrt(max(m2(np.sum(particles, axis=0)), 0.0))


def _photon(o: Object, vertex: Vector) -> Vector:
    way = np.array([o.values["x_mm"], o.values["y_mm"], d.LKR_MM]) - vertex
    return np.array([1.0, *_unit(way)]) * o.values["energy_gev"]


def _along_across(total: Vector, beam: Found) -> tuple[float, float]:
    u = _unit(beam["direction"])
    return float(total[1:] @ u), float(np.linalg.norm(np.cross(total[1:], u)))


def _one_track(event: PlainEvent, block: PlainBlock) -> Found:
    beam = _beam(event, block)
    (track,), photons = _measured(event, block)
    t = track.track
    vertex, cda = closest(
        np.array([t.x, t.y, MAGNET]), np.array([t.dx, t.dy, 1.0]), beam["point"], beam["direction"]
    )
    p_beam = beam["p"] * _unit(beam["direction"])
    x_muv3, y_muv3 = _behind(t, d.MUV3_MM)
    inside = max(abs(x_muv3), abs(y_muv3)) < 1320.0 and math.hypot(x_muv3, y_muv3) > d.MUV3_HOLE_MM
    made = {
        **_common(event, photons, beam, vertex, cda),
        "charge": track.charge,
        "muon": track.muon,
        "in_lkr": _in_lkr(*_behind(t, d.LKR_MM)),
        "in_muv3": int(inside),
        "p_gev": track.gev,
        "eop": track.energy / track.gev,
        "ring_mm": track.ring_mm,
        "ring_m2_gev2": track.ring_m2,
        **dict.fromkeys(("m_gg_gev", "m_pigg_gev", "p_total_gev", "pt_gev", "z_pi0_mm"), math.nan),
    }
    for name, of_beam, of_track in (
        ("m2_pi_gev2", M_KAON_GEV, M_PION_GEV),
        ("m2_mu_gev2", M_KAON_GEV, M_MUON_GEV),
        ("m2_e_gev2", M_KAON_GEV, M_ELECTRON_GEV),
        ("m2_beam_pi_e_gev2", M_PION_GEV, M_ELECTRON_GEV),
    ):
        made[name] = m2(four(p_beam, of_beam) - four(track.p, of_track))
    if len(photons) >= 2:
        first, second = (_photon(o, vertex) for o in photons[:2])
        pion = four(track.p, M_PION_GEV)
        made["m_gg_gev"], made["m_pigg_gev"] = mass(first, second), mass(first, second, pion)
        made["p_total_gev"], made["pt_gev"] = _along_across(first + second + pion, beam)
        a, b = (o.values for o in photons[:2])
        apart = math.hypot(a["x_mm"] - b["x_mm"], a["y_mm"] - b["y_mm"])
        angle = M_PI0_GEV / math.sqrt(a["energy_gev"] * b["energy_gev"])
        made["z_pi0_mm"] = d.LKR_MM - apart / angle
    return made


def _three_tracks(event: PlainEvent, block: PlainBlock) -> Found:
    beam = _beam(event, block)
    tracks, photons = _measured(event, block)
    vertex, rms = of_lines(event.tracks)
    charge = sum(t.charge for t in tracks)
    odd = next(t for t in tracks if t.charge == -charge)
    same = sorted((t for t in tracks if t.charge == charge), key=lambda t: -t.gev)
    order = [odd, *same]
    pions = [four(t.p, M_PION_GEV) for t in order]
    total = np.sum(pions, axis=0)
    made = {
        **_common(event, photons, beam, vertex, rms),
        "charge": charge,
        "p_gev": [t.gev for t in order],
        "eop": [t.energy / t.gev for t in order],
        "muon": [t.muon for t in order],
        "ring_m2_gev2": [t.ring_m2 for t in order],
        "m_3pi_gev": mass(*pions),
        "p_total_g_gev": math.nan,
        "pt_g_gev": math.nan,
        "m_eeg_gev": [math.nan, math.nan],
        "m_pieeg_gev": [math.nan, math.nan],
    }
    made["p_total_gev"], made["pt_gev"] = _along_across(total, beam)
    for name, m in (("mumu", M_MUON_GEV), ("ee", M_ELECTRON_GEV)):
        pairs = [(four(odd.p, m), four(lepton.p, m)) for lepton in same]
        made[f"m_{name}_gev"] = [mass(*pair) for pair in pairs]
        made[f"m_pi{name}_gev"] = [mass(*pairs[k], pions[2 - k]) for k in range(2)]
    if photons:
        gamma = _photon(photons[0], vertex)
        pairs = [(four(odd.p, M_ELECTRON_GEV), four(lepton.p, M_ELECTRON_GEV)) for lepton in same]
        made["m_eeg_gev"] = [mass(*pair, gamma) for pair in pairs]
        made["m_pieeg_gev"] = [mass(*pairs[k], gamma, pions[2 - k]) for k in range(2)]
        made["p_total_g_gev"], made["pt_g_gev"] = _along_across(total + gamma, beam)
    return made


def _five_tracks(event: PlainEvent, block: PlainBlock) -> Found:
    beam = _beam(event, block)
    tracks, photons = _measured(event, block)
    vertex, rms = of_lines(event.tracks)
    charge = sum(t.charge for t in tracks)
    same = [t for t in tracks if t.charge == charge]

    def with_pion(pion: Measured) -> float:
        others = [four(t.p, M_ELECTRON_GEV) for t in tracks if t is not pion]
        return abs(mass(*others, four(pion.p, M_PION_GEV)) - M_KAON_GEV)

    pion = min(same, key=with_pion)
    positive = sorted((t for t in same if t is not pion), key=lambda t: -t.gev)
    negative = sorted((t for t in tracks if t.charge == -charge), key=lambda t: -t.gev)
    order = [pion, *positive, *negative]
    electrons = [four(t.p, M_ELECTRON_GEV) for t in order[1:]]
    of_pion = four(pion.p, M_PION_GEV)
    made = {
        **_common(event, photons, beam, vertex, rms),
        "charge": charge,
        "p_gev": [t.gev for t in order],
        "eop": [t.energy / t.gev for t in order],
        "muon": [t.muon for t in order],
        "m_4e_gev": mass(*electrons),
        "m_pi4e_gev": mass(*electrons, of_pion),
        "m_pair_gev": [
            [mass(electrons[0], electrons[2]), mass(electrons[1], electrons[3])],
            [mass(electrons[0], electrons[3]), mass(electrons[1], electrons[2])],
        ],
    }
    made["p_total_gev"], made["pt_gev"] = _along_across(np.sum([*electrons, of_pion], axis=0), beam)
    return made
