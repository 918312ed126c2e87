"""Activation energy from the temperature dependence of the conductivity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import digamma

from analysis.statistics import Interval, Line, weighted_line
from structures.units import BOLTZMANN

MIN_TEMPERATURES = 3


@dataclass(frozen=True, slots=True)
class Activation:
    """Arrhenius law sigma T = A exp(-E_a / kT) and the form sigma = A exp(-E_a / kT) that experiments quote.

    Attributes
    ----------
    E_a : Interval, eV
        From ln(sigma T).
    E_a_ln_sigma : Interval, eV
        From ln sigma; lower by about kT.
    log_prefactor : float
        ln A of sigma T, A in S K/cm.
    chi2 : float
        Of the fit to ln(sigma T).
    n_temperatures : int
        That entered the fit.
    straight : bool
        False if the points deviate from a line by more than their intervals allow; the interval of E_a is then widened.
    """

    E_a: Interval
    E_a_ln_sigma: Interval
    log_prefactor: float
    chi2: float
    n_temperatures: int
    straight: bool


def activation_energy(
    temperature: Sequence[float], sigma: Sequence[Interval], *, dof: ArrayLike | None = None
) -> Activation:
    """Weighted fit of ln(sigma T) and of ln sigma against 1/kT.

    Parameters
    ----------
    temperature : sequence of float, K
    sigma : sequence of Interval, S/cm
        Points without an interval above zero are left out.
    dof : (n,) array_like, optional
        Degrees of freedom of each sigma. The logarithm of a mean of squares lies low on average, by
        ψ(dof/2) - ln(dof/2) ≈ -1/dof (Bartlett and Kendall, J. R. Stat. Soc. Suppl. 8, 128 (1946)); it is put back,
        because points at low temperature tend to have the fewest. Taken as known exactly if not given.

    Raises
    ------
    ValueError
        If fewer than 3 temperatures have a conductivity with an interval.
    """
    error = np.array([s.log_error for s in sigma])
    usable = np.isfinite(error) & (error > 0)
    T = np.asarray(temperature, dtype=np.float64)[usable]
    if np.unique(T).size < MIN_TEMPERATURES:
        raise ValueError(
            f"an activation energy needs sigma with an interval at {MIN_TEMPERATURES} temperatures or more; "
            f"got {np.unique(T).size}"
        )
    log_sigma = np.log([s.value for s, good in zip(sigma, usable, strict=True) if good])
    if dof is not None:
        log_sigma = log_sigma - log_bias(np.asarray(dof, dtype=np.float64)[usable])
    beta = 1 / (BOLTZMANN * T)
    fit = weighted_line(beta, log_sigma + np.log(T), error[usable])
    plain = weighted_line(beta, log_sigma, error[usable])
    return Activation(
        E_a=_reversed(fit),
        E_a_ln_sigma=_reversed(plain),
        log_prefactor=fit.intercept,
        chi2=fit.chi2,
        n_temperatures=int(T.size),
        straight=fit.adequate,
    )


def log_bias(dof: ArrayLike) -> NDArray[np.float64]:
    """Mean of the logarithm of χ²/dof with `dof` degrees of freedom, ψ(dof/2) - ln(dof/2)."""
    half = np.asarray(dof, dtype=np.float64) / 2
    return np.asarray(digamma(half) - np.log(half))


def _reversed(line: Line) -> Interval:
    """Minus the slope."""
    return Interval(-line.slope.value, -line.slope.hi, -line.slope.lo)
