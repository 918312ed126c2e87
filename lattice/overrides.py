"""Site energies, barriers and prefactors that the user knows better than the landscape.

An override names a symmetry orbit, or a label and thereby every orbit that has it, so that the network keeps its
symmetry. A site energy changes ln Z of its sites by -ΔE/kT and leaves all saddles where they are: the ion enters at the
rate it had and leaves at another one. A barrier moves the saddle, a prefactor sets the conductance C_ij = Z_i k_ij;
both act on a hop and its reverse alike, so that detailed balance holds exactly.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lattice.graph import species_percolation
from lattice.network import PoreNetwork
from structures.errors import InputError
from structures.units import BOLTZMANN

_ROUNDING = 1e-9  # eV, by which a saddle may lie below a site that it equals


@dataclass(frozen=True, slots=True)
class SiteOverride:
    """Energy of the sites of an orbit, or of all orbits with a label.

    Attributes
    ----------
    species : str
    energy : float, eV
        On the scale of the network's site energies: of the deepest minimum of the site.
    orbit : int, optional
        Number of the site orbit as printed; either this or a label.
    label : str, optional

    Raises
    ------
    InputError
        If the energy is not finite, or not exactly one of orbit and label is given.
    """

    species: str
    energy: float
    orbit: int | None = None
    label: str | None = None

    def __post_init__(self) -> None:
        _require_one("site override", self.species, orbit=self.orbit, label=self.label)
        if not math.isfinite(self.energy):
            raise InputError(f"{self.name}: energy must be finite; got {self.energy} eV")

    @property
    def name(self) -> str:
        """What the override is about, as printed."""
        which = f"orbit {self.orbit}" if self.label is None else f"label {self.label}"
        return f"site override of {self.species}, {which}"


@dataclass(frozen=True, slots=True)
class HopOverride:
    """Barrier, prefactor or both of the hops of an orbit, or of all hops between two labels.

    Attributes
    ----------
    species : str
    orbit : int, optional
        Number of the hop orbit as printed; either this or two labels.
    labels : (str, str), optional
        Labels of both ends.
    barrier : float, eV, optional
        Saddle minus the energy of the end that the hop starts from, site overrides included: the first of two
        different labels, otherwise the deeper end. The barrier of the way back follows from both site energies.
    prefactor : float, 1/s, optional
        Geometric mean of the prefactors of both ways, at all temperatures.

    Raises
    ------
    InputError
        If a number is out of range, or not exactly one of orbit and labels is given, or nothing to change.
    """

    species: str
    orbit: int | None = None
    labels: tuple[str, str] | None = None
    barrier: float | None = None
    prefactor: float | None = None

    def __post_init__(self) -> None:
        _require_one("hop override", self.species, orbit=self.orbit, labels=self.labels)
        if self.barrier is None and self.prefactor is None:
            raise InputError(f"{self.name}: must give a barrier, a prefactor or both; got neither")
        if self.barrier is not None and not (math.isfinite(self.barrier) and self.barrier >= 0):
            raise InputError(f"{self.name}: barrier must not be negative; got {self.barrier} eV")
        if self.prefactor is not None and not (math.isfinite(self.prefactor) and self.prefactor > 0):
            raise InputError(f"{self.name}: prefactor must be positive; got {self.prefactor} /s")

    @property
    def name(self) -> str:
        """What the override is about, as printed."""
        which = f"orbit {self.orbit}" if self.labels is None else f"labels {self.labels[0]} and {self.labels[1]}"
        return f"hop override of {self.species}, {which}"


def override_network(
    network: PoreNetwork,
    overrides: Sequence[SiteOverride | HopOverride],
    *,
    attempt_frequency: float | None = None,
) -> PoreNetwork:
    """Replace energies, barriers and prefactors of a network; site energies first, in whatever order they are given.

    Parameters
    ----------
    network : PoreNetwork
    overrides : sequence of SiteOverride and HopOverride
    attempt_frequency : float, 1/s, optional
        That of the runs; needed for a prefactor in a network whose rates are relative to one.

    Returns
    -------
    PoreNetwork
        Overridden sites and hops are marked, the percolation energies are those of the new saddles, and the
        provenance has a line for every orbit changed.

    Raises
    ------
    InputError
        If an override names an unknown species, orbit or label, two change the same number, or a saddle would lie
        below a site.
    """
    if not overrides:
        return network
    sites = _override_sites(network, [o for o in overrides if isinstance(o, SiteOverride)])
    hops = [o for o in overrides if isinstance(o, HopOverride)]
    changed = _override_hops(sites.network, hops, attempt_frequency)
    _refuse_low_saddles(changed.network, sites, changed)
    links = network.hop_origin, network.hop_target, network.hop_image
    percolation = species_percolation(network.site_species, links, changed.network.hop_saddle, len(network.species))
    lines = [*sites.lines, *changed.lines, *_percolation_lines(network, percolation)]
    return replace(changed.network, percolation=percolation, provenance=(*network.provenance, *lines))


@dataclass(frozen=True, eq=False, slots=True)
class _Changes:
    """A changed network, the override that every site or hop got (-1: none), and the lines to print."""

    network: PoreNetwork
    owner: NDArray[np.int64]
    names: tuple[str, ...]
    lines: tuple[str, ...]


def _override_sites(network: PoreNetwork, overrides: Sequence[SiteOverride]) -> _Changes:
    energy = network.site_energy.copy()
    owner = np.full(network.n_sites, -1)
    lines = []
    for n, override in enumerate(overrides):
        chosen = _chosen_sites(network, override)
        _refuse_second(chosen & (owner >= 0), owner, overrides, override.name)
        owner[chosen] = n
        energy[chosen] = override.energy
        for orbit in np.unique(network.site_orbit[chosen]):
            members = np.flatnonzero(network.site_orbit == orbit)
            lines.append(
                f"override: {override.species} sites of orbit {orbit} ({network.site_label[members[0]]}, "
                f"{len(members)} per cell): energy {network.site_energy[members[0]]:.4f} -> {override.energy:.4f} eV"
            )
    beta = 1.0 / (BOLTZMANN * network.temperatures)
    changed = replace(
        network,
        site_energy=energy,
        site_log_partition=network.site_log_partition - np.outer(energy - network.site_energy, beta),
        site_overridden=network.site_overridden | (owner >= 0),
    )
    return _Changes(changed, owner, tuple(override.name for override in overrides), tuple(lines))


def _override_hops(network: PoreNetwork, overrides: Sequence[HopOverride], attempt_frequency: float | None) -> _Changes:
    saddle, conductance = network.hop_saddle.copy(), network.hop_log_conductance.copy()
    owner = np.full(len(saddle), -1)
    beta = 1.0 / (BOLTZMANN * network.temperatures)
    lines = []
    for n, override in enumerate(overrides):
        chosen = _chosen_hops(network, override)
        _refuse_second(chosen & (owner >= 0), owner, overrides, override.name)
        owner[chosen] = n
        if override.barrier is not None:
            saddle[chosen] = _start_energy(network, override)[chosen] + override.barrier
            conductance[chosen] -= np.outer((saddle - network.hop_saddle)[chosen], beta)
        if override.prefactor is not None:
            scale = _prefactor_unit(network, override, attempt_frequency)
            conductance[chosen] = math.log(override.prefactor / scale) + _log_bare(network, saddle)[chosen]
        for orbit in np.unique(network.hop_orbit[chosen]):
            lines.append(_hop_line(network, override, int(orbit), attempt_frequency))
    changed = replace(
        network,
        hop_saddle=saddle,
        hop_log_conductance=conductance,
        hop_overridden=network.hop_overridden | (owner >= 0),
    )
    return _Changes(changed, owner, tuple(override.name for override in overrides), tuple(lines))


def _log_bare(network: PoreNetwork, saddle: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logarithm of sqrt(Z_i Z_j) exp(-E_KRA/kT), the conductance at a mean prefactor of one, (n_hops, n_T)."""
    i, j = network.hop_origin, network.hop_target
    kra = saddle - 0.5 * (network.site_energy[i] + network.site_energy[j])
    log_mean = 0.5 * (network.site_log_partition[i] + network.site_log_partition[j])
    return np.asarray(log_mean - np.outer(kra, 1.0 / (BOLTZMANN * network.temperatures)))


def _prefactor_unit(network: PoreNetwork, override: HopOverride, attempt_frequency: float | None) -> float:
    if network.rate_model != "attempt_frequency":
        return 1.0
    if attempt_frequency is None:
        raise InputError(
            f"{override.name}: the rates of this network are relative to the attempt frequency of the run, which must "
            f"be given beside a prefactor; got none"
        )
    return attempt_frequency


def _start_energy(network: PoreNetwork, override: HopOverride) -> NDArray[np.float64]:
    """Energy of the end from which the barrier of each hop counts, the same both ways, (n_hops,), eV."""
    ends = network.site_energy[np.stack([network.hop_origin, network.hop_target])]
    if override.labels is None or override.labels[0] == override.labels[1]:
        return np.asarray(ends.min(axis=0))
    label = np.array(network.site_label)
    return np.asarray(np.where(label[network.hop_origin] == override.labels[0], ends[0], ends[1]))


def _chosen_sites(network: PoreNetwork, override: SiteOverride) -> NDArray[np.bool_]:
    mine = network.site_species == _species_index(network, override.species, override.name)
    if override.label is not None:
        labels = np.array(network.site_label)
        _require_known(override.label, labels[mine], f"{override.name}: label")
        return np.asarray(mine & (labels == override.label))
    _require_orbit(override.orbit, network.site_orbit[mine], override.name)
    return np.asarray(network.site_orbit == override.orbit)


def _chosen_hops(network: PoreNetwork, override: HopOverride) -> NDArray[np.bool_]:
    species = _species_index(network, override.species, override.name)
    mine = network.site_species[network.hop_origin] == species
    if override.labels is None:
        _require_orbit(override.orbit, network.hop_orbit[mine], override.name)
        return np.asarray(network.hop_orbit == override.orbit)
    labels = np.array(network.site_label)
    for label in override.labels:
        _require_known(label, labels[network.site_species == species], f"{override.name}: label")
    ends = np.sort(labels[np.stack([network.hop_origin, network.hop_target])], axis=0)
    a, b = sorted(override.labels)
    chosen = mine & (ends[0] == a) & (ends[1] == b)
    if not chosen.any():
        joined = sorted({f"{x} - {y}" for x, y in ends[:, mine].T.tolist()})
        raise InputError(f"{override.name}: no hop joins these labels; hops join {', '.join(joined) or 'nothing'}")
    return np.asarray(chosen)


def _species_index(network: PoreNetwork, name: str, what: str) -> int:
    names = [species.name for species in network.species]
    _require_known(name, names, f"{what}: species")
    return names.index(name)


def _require_one(what: str, species: str, **alternatives: object) -> None:
    given = [name for name, value in alternatives.items() if value is not None]
    if len(given) != 1:
        raise InputError(
            f"{what} of {species}: must name one of {' or '.join(alternatives)}; got {' and '.join(given) or 'neither'}"
        )


def _require_known(name: str, known: Iterable[str], what: str) -> None:
    valid = sorted({str(k) for k in known})
    if name in valid:
        return
    near = difflib.get_close_matches(name, valid, n=1) or [v for v in valid if v.casefold() == name.casefold()]
    meant = f"; did you mean {near[0]}?" if near else ""
    raise InputError(f"{what} must be one of {', '.join(valid) or 'none'}; got {name}{meant}")


def _require_orbit(orbit: int | None, known: NDArray[np.integer], what: str) -> None:
    if orbit not in known:
        valid = ", ".join(str(k) for k in np.unique(known)) or "none"
        raise InputError(f"{what}: orbit must be one of {valid}; got {orbit}")


def _refuse_second(
    taken: NDArray[np.bool_], owner: NDArray[np.int64], overrides: Sequence[SiteOverride | HopOverride], name: str
) -> None:
    if taken.any():
        first = overrides[int(owner[np.flatnonzero(taken)[0]])].name
        raise InputError(f"{name} and {first} must be for different orbits; got one orbit in both")


def _refuse_low_saddles(network: PoreNetwork, sites: _Changes, hops: _Changes) -> None:
    """Refuse saddles below a site where the barrier or one of the ends is an override."""
    energy, origin = network.site_energy, network.hop_origin
    touched = (hops.owner >= 0) | (sites.owner[origin] >= 0)
    low = np.flatnonzero(touched & (network.hop_saddle < energy[origin] - _ROUNDING))
    if not low.size:
        return
    hop = int(low[np.argmin((network.hop_saddle - energy[origin])[low])])
    site, orbit, saddle = int(origin[hop]), network.hop_orbit[hop], network.hop_saddle[hop]
    where = f"{network.site_label[site]} (orbit {network.site_orbit[site]})"
    if hops.owner[hop] >= 0:
        raise InputError(
            f"{hops.names[hops.owner[hop]]}: the saddle must not lie below a site; got hop orbit {orbit} at "
            f"{saddle:.4f} eV and {where} at {energy[site]:.4f} eV"
        )
    raise InputError(
        f"{sites.names[sites.owner[site]]}: the energy must not exceed the saddle of hop orbit {orbit} at "
        f"{saddle:.4f} eV; got {energy[site]:.4f} eV: give a barrier for that hop too"
    )


def _percolation_lines(network: PoreNetwork, percolation: NDArray[np.float64]) -> list[str]:
    lines = []
    for species, old, new in zip(network.species, network.percolation, percolation, strict=True):
        if not np.allclose(old, new, rtol=0, atol=_ROUNDING, equal_nan=True):
            levels = (f"{n}D {a:.4f} -> {b:.4f}" for n, (a, b) in enumerate(zip(old, new, strict=True), 1))
            lines.append(f"override: percolation energies of {species.name}: {', '.join(levels)} eV")
    return lines


def _hop_line(network: PoreNetwork, override: HopOverride, orbit: int, attempt_frequency: float | None) -> str:
    members = np.flatnonzero(network.hop_orbit == orbit)
    start = _start_energy(network, override)[members[0]]
    ends = network.hop_origin[members[0]], network.hop_target[members[0]]
    a, b = sorted(ends, key=lambda site: abs(network.site_energy[site] - start))
    changes = []
    if override.barrier is not None:
        old = network.hop_saddle[members[0]] - start
        changes.append(f"barrier {old:.4f} -> {override.barrier:.4f} eV")
    if override.prefactor is not None:
        middle = len(network.temperatures) // 2
        log_old = (network.hop_log_conductance - _log_bare(network, network.hop_saddle))[members[0], middle]
        old = math.exp(log_old) * _prefactor_unit(network, override, attempt_frequency)
        changes.append(f"prefactor {old:.3g} (at {network.temperatures[middle]:.0f} K) -> {override.prefactor:.3g} /s")
    return (
        f"override: {override.species} hops of orbit {orbit} ({network.site_label[a]} to {network.site_label[b]}, "
        f"{len(members) // 2} per cell): {', '.join(changes)}"
    )
