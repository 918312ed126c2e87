"""Activation energy from the temperature dependence of the conductivity, and the law that describes it best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import digamma

from analysis.profile_fit import ProfileFit, profile_fit
from analysis.statistics import Interval
from structures.units import BOLTZMANN

MIN_TEMPERATURES = 3
MIN_FOR_BREAK = 5
MIN_FOR_VFT = 4
VFT_TOP = 0.98  # highest T_0 as a share of the lowest temperature


@dataclass(frozen=True, eq=False, slots=True)
class Conductivities:
    """What the fits take of the conductivities of one composition: logarithms with their errors.

    Attributes
    ----------
    temperature : (n,) float64, K
        Ascending.
    log_sigma : (n,) float64
        ln of S/cm, freed of the bias of a logarithm.
    error : (n,) float64
        Standard errors of it.
    """

    temperature: NDArray[np.float64]
    log_sigma: NDArray[np.float64]
    error: NDArray[np.float64]

    @property
    def beta(self) -> NDArray[np.float64]:
        """1/kT, (n,) float64, 1/eV."""
        return np.asarray(1 / (BOLTZMANN * self.temperature))

    @property
    def log_product(self) -> NDArray[np.float64]:
        """ln(sigma T), (n,) float64, ln of S K/cm."""
        return np.asarray(self.log_sigma + np.log(self.temperature))


def usable_conductivities(
    temperature: Sequence[float], sigma: Sequence[Interval], *, dof: ArrayLike | None = None
) -> Conductivities:
    """Take the conductivities that have an interval above zero.

    Parameters
    ----------
    temperature : sequence of float, K
    sigma : sequence of Interval, S/cm
    dof : (n,) array_like, optional
        Degrees of freedom of each sigma. The logarithm of a mean of squares lies low on average, by
        ψ(dof/2) - ln(dof/2) ≈ -1/dof (Bartlett and Kendall, J. R. Stat. Soc. Suppl. 8, 128 (1946)); it is put back,
        because points at low temperature tend to have the fewest. Taken as known exactly if not given.

    Raises
    ------
    ValueError
        If the lengths differ or a temperature is not positive.
    """
    T = np.asarray(temperature, dtype=np.float64)
    if T.shape != (len(sigma),) or not (T > 0).all():
        raise ValueError(f"expected one positive temperature for each of {len(sigma)} sigma; got {T.tolist()}")
    error = np.array([s.log_error for s in sigma], dtype=np.float64)
    usable = np.flatnonzero(np.isfinite(error) & (error > 0))
    order = usable[np.argsort(T[usable], kind="stable")]
    log_sigma = np.log([sigma[k].value for k in order]) if order.size else np.zeros(0)
    if dof is not None:
        log_sigma = log_sigma - log_bias(np.asarray(dof, dtype=np.float64)[order])
    return Conductivities(T[order], log_sigma, error[order])


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
        As in `usable_conductivities`.

    Raises
    ------
    ValueError
        If fewer than 3 temperatures have a conductivity with an interval.
    """
    data = usable_conductivities(temperature, sigma, dof=dof)
    found = np.unique(data.temperature).size
    if found < MIN_TEMPERATURES:
        raise ValueError(
            f"an activation energy needs sigma with an interval at {MIN_TEMPERATURES} temperatures or more; got {found}"
        )
    return fitted_line(data)


def fitted_line(data: Conductivities) -> Activation:
    """Straight lines through ln(sigma T) and ln sigma of two temperatures or more."""
    fit, plain = line_fit(data), line_fit(data, times_T=False)
    return Activation(
        E_a=fit.interval([0.0, 1.0]),
        E_a_ln_sigma=plain.interval([0.0, 1.0]),
        log_prefactor=float(fit.coefficient[0, 0]),
        chi2=float(fit.chi2.min()),
        n_temperatures=int(data.temperature.size),
        straight=fit.adequate,
    )


def line_fit(data: Conductivities, *, times_T: bool = True) -> ProfileFit:
    """ln(sigma T), or ln sigma, = ln A - E_a β; coefficients (ln A, E_a)."""
    A = np.stack([np.ones_like(data.beta), -data.beta], axis=1)
    return profile_fit(lambda _: A[None], data.log_product if times_T else data.log_sigma, data.error)


def broken_line_fit(data: Conductivities, *, times_T: bool = True) -> ProfileFit:
    """Two lines that meet at β_b; θ = β_b, coefficients (value at the break, E_a above T_b, E_a below T_b).

    The break lies between the second and the last but one temperature, so that two or more points lie on either side.

    Raises
    ------
    ValueError
        If there are fewer than 5 temperatures.
    """
    beta = np.unique(data.beta)
    if beta.size < MIN_FOR_BREAK:
        raise ValueError(f"two windows with a break need {MIN_FOR_BREAK} temperatures or more; got {beta.size}")

    def design(at: NDArray[np.float64]) -> NDArray[np.float64]:
        return broken_line(data.beta[None], at[:, None])

    y = data.log_product if times_T else data.log_sigma
    return profile_fit(design, y, data.error, span=(float(beta[1]), float(beta[-2])))


def broken_line(beta: NDArray[np.float64], at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights of (value at the break, E_a above T_b, E_a below T_b) in two lines that meet at `at`, (..., 3)."""
    above, below = np.maximum(at - beta, 0), -np.maximum(beta - at, 0)
    return np.stack([np.ones_like(above), above, below], axis=-1)


def vft_fit(data: Conductivities) -> ProfileFit:
    """Vogel-Fulcher-Tammann law ln(sigma T) = ln A - B / k(T - T_0); θ = T_0, coefficients (ln A, B).

    T_0 is at least 0, where the law is that of Arrhenius, and at most 0.98 of the lowest temperature.

    Raises
    ------
    ValueError
        If there are fewer than 4 temperatures.
    """
    T = data.temperature
    if np.unique(T).size < MIN_FOR_VFT:
        raise ValueError(f"a VFT law needs {MIN_FOR_VFT} temperatures or more; got {np.unique(T).size}")

    def design(T_0: NDArray[np.float64]) -> NDArray[np.float64]:
        inverse = -1 / (BOLTZMANN * (T - T_0[:, None]))
        return np.stack([np.ones_like(inverse), inverse], axis=-1)

    return profile_fit(design, data.log_product, data.error, span=(0.0, VFT_TOP * float(T[0])))


def log_bias(dof: ArrayLike) -> NDArray[np.float64]:
    """Mean of the logarithm of χ²/dof with `dof` degrees of freedom, ψ(dof/2) - ln(dof/2)."""
    half = np.asarray(dof, dtype=np.float64) / 2
    return np.asarray(digamma(half) - np.log(half))
