"""The position and yield of a peak, once there is one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.polynomial.legendre import legvander
from numpy.typing import NDArray
from scipy.special import kl_div, ndtr

from trigger.statistics.background import (
    FLATNESS,
    Bins,
    Spectrum,
    bins_of,
    fit_sidebands,
    make_hypotheses,
    make_spectrum,
    room_for_fit,
)
from trigger.statistics.error import StatisticsError
from trigger.statistics.significance import Floats

MOVES: Final = 2.0
"""Standard deviations by which the peak may be away from where it was said to be near."""

_ROOT_2PI: Final = float(np.sqrt(2.0 * np.pi))
_STEPS: Final = 200
_TOLERANCE: Final = 1e-9
_TINY: Final = 1e-12
"""Part of the diagonal of a matrix that is added to it, so that it can be inverted where a parameter has no
effect."""

_EMPTY: Final = 1e-3
"""Events of background in all bins together, if the sidebands hold none: so few that they weigh nothing."""


@dataclass(frozen=True)
class PeakFit:
    """A peak. at: its position, in the unit of the observable; yield_: events in it, all of the Gaussian;
    errors: from the curvature of the likelihood. first: the first bin of the fit; expected, background: events
    per bin from there on, with and without the peak. converged: the fit came to rest within MOVES of where it
    began, and the position is known to as much."""

    at: float
    at_error: float
    yield_: float
    yield_error: float
    first: int
    expected: Floats
    background: Floats
    converged: bool


class _Model:
    """Expected counts: a polynomial's exponential, and a Gaussian of known width."""

    def __init__(self, spectrum: Spectrum, bins: Bins, at: float, sigma: float, order: int) -> None:
        self.counts = spectrum.counts[bins.first : bins.last].astype(np.float64)
        self.edges = spectrum.low + spectrum.width * np.arange(bins.first, bins.last + 1)
        centres = (np.arange(bins.last - bins.first) + 0.5) / (0.5 * (bins.last - bins.first)) - 1.0
        self.basis, self.at, self.sigma = legvander(centres, order), at, sigma
        self.weights = (np.arange(order + 1) / FLATNESS) ** 2

    def background(self, parameters: Floats) -> Floats:
        return np.asarray(np.exp(self.basis @ parameters[:-2]))

    def gaussian(self, at: float) -> tuple[Floats, Floats, Floats]:
        """Return its part in each bin, and the first and second derivative by its position."""
        x = (self.edges - at) / self.sigma
        height = np.exp(-0.5 * x**2) / (_ROOT_2PI * self.sigma)
        return np.diff(ndtr(x)), -np.diff(height), -np.diff(x * height) / self.sigma

    def expected(self, parameters: Floats) -> Floats:
        return np.asarray(self.background(parameters) + parameters[-2] * self.gaussian(parameters[-1])[0])

    def loss(self, parameters: Floats) -> float:
        """Return half of the deviance; infinite where a bin expects less than nothing, or the peak has moved
        too far."""
        if abs(parameters[-1] - self.at) > MOVES * self.sigma:
            return np.inf
        flat = 0.5 * (self.weights * parameters[:-2] ** 2).sum()
        return float(flat + kl_div(self.counts, self.expected(parameters)).sum())

    def slope_and_information(self, parameters: Floats) -> tuple[Floats, Floats]:
        """Return the derivatives of the logarithm of the likelihood, and its expected curvature."""
        background, (part, moved, _) = self.background(parameters), self.gaussian(parameters[-1])
        expected = background + parameters[-2] * part
        by = np.column_stack([background[:, None] * self.basis, part, parameters[-2] * moved])
        information = by.T @ (by / expected[:, None])
        information[np.diag_indices(len(self.weights))] += self.weights
        slope = by.T @ (self.counts / expected - 1.0)
        slope[:-2] -= self.weights * parameters[:-2]
        return slope, information

    def pull(self, parameters: Floats, at_error: float) -> float:
        """Return by how much the yield is too large because the position is free.

        The fit goes where the yield is largest: above that at the true position by half the curvature of the yield
        as a function of the position, s sum(g'' g / mu) / sum(g g / mu), times the variance of the position. Over
        a large background it is error^2 / 2s.
        """
        part, _, curved = self.gaussian(parameters[-1])
        weight = part / self.expected(parameters)
        return float(-0.5 * at_error**2 * parameters[-2] * (curved @ weight) / (part @ weight))


def fit_peak(
    counts: NDArray[np.int64],
    low: float,
    width: float,
    at: float,
    sigma: float,
    fit_low: float,
    fit_high: float,
    order: int,
) -> PeakFit:
    """Fit a Gaussian of known width over the exponential of a polynomial to the bins within REACH of `at`.

    Arguments as for `scan.scan`, of one hypothesis. The likelihood is Poisson's, that of background.py; position,
    yield and polynomial are free, and the bias of the yield that comes from the free position is taken off.

    Raises StatisticsError, if the window of `at` is not in the range that may be fitted.
    """
    spectrum = make_spectrum(counts, low, width)
    bins = bins_of(spectrum, make_hypotheses(at, sigma, fit_low, fit_high, order), 0)
    if bins.gap_first >= bins.gap_last or not low + bins.first * width < at < low + bins.last * width:
        raise StatisticsError(
            f"at is {at:g}; give a position between {fit_low:g} and {fit_high:g} in the spectrum"
        )
    model, start = _begin(spectrum, bins, at, sigma, order)
    return _conclude(model, *_maximise(model, start), bins.first)


def _begin(spectrum: Spectrum, bins: Bins, at: float, sigma: float, order: int) -> tuple[_Model, Floats]:
    """Return the model, and parameters to begin with: the background of the sidebands, and the excess over it
    as the yield."""
    model = _Model(spectrum, bins, at, sigma, order)
    window = slice(bins.gap_first - bins.first, bins.gap_last - bins.first)
    theta = np.zeros(order + 1)
    if model.counts.sum() > model.counts[window].sum():
        fit = room_for_fit(len(model.counts))
        fit.basis[:, : order + 1] = model.basis
        fit_sidebands(spectrum, bins, order, fit)
        theta = fit.theta[: order + 1]
    else:
        theta[0] = np.log(_EMPTY / len(model.counts))
    excess = (model.counts - np.exp(model.basis @ theta))[window].sum()
    return model, np.concatenate([theta, [max(excess, 1.0), at]])


def _maximise(model: _Model, parameters: Floats) -> tuple[Floats, bool]:
    """Return the parameters of the largest likelihood, and whether the search came to rest: steps of Levenberg
    and Marquardt."""
    loss, damping = model.loss(parameters), 1e-3
    for _ in range(_STEPS):
        slope, information = model.slope_and_information(parameters)
        diagonal = np.diag(np.diag(information) + np.finfo(np.float64).tiny)
        if 0.5 * slope @ np.linalg.solve(information + _TINY * diagonal, slope) < _TOLERANCE:
            return parameters, True
        step = np.linalg.solve(information + (damping + _TINY) * diagonal, slope)
        step /= max(np.abs(step[:-2]).sum(), abs(step[-1]) / model.sigma, 1.0)
        better = model.loss(parameters + step)
        if better < loss:
            parameters, loss, damping = parameters + step, better, 0.1 * damping
        else:
            damping *= 10.0
    return parameters, False


def _conclude(model: _Model, parameters: Floats, converged: bool, first: int) -> PeakFit:
    information = model.slope_and_information(parameters)[1]
    scale = np.sqrt(np.diag(information) + np.finfo(np.float64).tiny)
    covariance = np.linalg.inv(information / np.outer(scale, scale) + _TINY * np.eye(len(scale)))
    yield_error, at_error = (np.sqrt(np.diag(covariance)) / scale)[-2:]
    known = at_error < MOVES * model.sigma
    return PeakFit(
        at=float(parameters[-1]),
        at_error=float(at_error),
        yield_=float(parameters[-2]) - (model.pull(parameters, at_error) if known else 0.0),
        yield_error=float(yield_error),
        first=first,
        expected=model.expected(parameters),
        background=model.background(parameters),
        converged=bool(converged and known),
    )
