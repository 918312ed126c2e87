"""Conditions, and the arrays of a lattice and a state in the form that the kernels take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kmc.kernels import (
    ARITY,
    AT_REST,
    LARGEST_EXPONENT,
    Ceilings,
    Changes,
    Configuration,
    Exclusions,
    Hops,
    Interaction,
    Ions,
    Movers,
    Sites,
    Tables,
)
from kmc.state import State
from lattice.network import PoreNetwork
from lattice.supercell import Lattice, cell_coordinates
from structures.checks import as_array
from structures.errors import InputError
from structures.units import BOLTZMANN

_MOST_HOPS = 2**32  # that a number of a hop can tell apart
NO_CHANGES = Changes(np.zeros(0, np.int64), np.zeros((0, 0), np.uint8), np.zeros((2, 3), np.int64), np.zeros(0), 1.0)
_LARGEST_EASE = 300.0  # exponent of the lowest energy around a site beyond which only the clipped rate is a bound


@dataclass(frozen=True, eq=False, slots=True)
class Conditions:
    """Temperature, attempt frequency and field.

    Attributes
    ----------
    temperature : float, K
    attempt_frequency : float
        Multiplies all rates of the network: in 1/s if they are relative to it, a pure number if they are in 1/s.
    field : (3,) float64, V/Å

    Raises
    ------
    InputError
        If the temperature or the attempt frequency is not positive.
    """

    temperature: float
    attempt_frequency: float
    field: NDArray[np.float64]

    def __post_init__(self) -> None:
        for name in ("temperature", "attempt_frequency"):
            value = getattr(self, name)
            if not (np.isfinite(value) and value > 0):
                raise InputError(f"{name} must be positive; got {value}")
        object.__setattr__(self, "field", as_array(self.field, "field", np.float64, (3,)))

    @property
    def kT(self) -> float:  # noqa: N802
        """Thermal energy, eV."""
        return BOLTZMANN * self.temperature


def workspace(state: State, tables: Tables) -> Ions:
    """Hand the arrays of a state over in the kernels' form; all but the scalars are shared with it."""
    return Ions(
        configuration=Configuration(
            site=state.ion_site,
            occupant=state.occupant,
            blocked=state.blocked,
            factor=state.site_factor,
        ),
        movers=_movers(state, tables.hops.width),
        species=state.ion_species,
        image=state.ion_image,
        last_hop=state.ion_last_hop,
        reference=state.reference,
        clock=np.array([state.time, state.next_time]),
        events=np.array([state.n_events], np.int64),
        thinning=state.thinning if state.thinning.size else np.zeros(2),
    )


def _movers(state: State, width: int) -> Movers:
    """Allocate what the kernels keep of the ions that hop, and the tree of their rates."""
    ion = np.flatnonzero(state.mobile).astype(np.int32)
    of_ion = np.full(state.n_ions, -1, np.int32)
    of_ion[ion] = np.arange(len(ion))
    tree, level = empty_tree(len(ion))
    return Movers(
        ion=ion,
        of_ion=of_ion,
        site=np.zeros(len(ion), np.uint32),
        row=np.zeros(len(ion), np.uint32),
        target=np.zeros(len(ion) * width, np.uint32),
        groups=np.zeros(len(ion), np.uint64),
        tree=tree,
        level=level,
        renewed=np.zeros(len(ion), np.int64),
        cell=np.zeros((5, len(ion)), np.uint32),
        there=np.zeros(len(ion), np.uint32),
    )


def shared_rows(reverse: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Let a hop and its reverse share a row of a table.

    Returns
    -------
    row : (n_hops,) int64
        Row of the hop; or -1 less the row of its reverse.
    tabulated : (n_rows,) int64
        Hop that every row is made for.
    """
    tabulated = np.flatnonzero(reverse >= np.arange(len(reverse)))
    row = -1 - np.searchsorted(tabulated, reverse)
    row[tabulated] = np.arange(len(tabulated))
    return row, tabulated


def empty_tree(n: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Tree of sums over n numbers with ARITY branches, of zeros, and where each of its levels begins, leaves first."""
    widths = [max(n, 1)]
    while widths[-1] > 1:
        widths.append(-(-widths[-1] // ARITY))
    filled = [ARITY * -(-width // ARITY) for width in widths]
    return np.zeros(sum(filled)), np.concatenate([[0], np.cumsum(filled[:-1])]).astype(np.int64)


def prepare_tables(lattice: Lattice, conditions: Conditions, rebuild_every: int) -> Tables:
    """Energies, factors and hop constants of a lattice at one temperature, as the kernels take them.

    Raises
    ------
    InputError
        If a pair of ions has an energy beyond the range of exp(-e/2kT).
    """
    interaction, unit = lattice.table, np.arange(lattice.network.n_sites)
    pair_step, inside = _pair_steps(lattice)
    sites = site_tables(lattice, conditions.temperature, _pair_energies(lattice, unit, unit))
    twice_kT = 2.0 * conditions.kT
    dense = _dense_rows(lattice)
    tables = dense, interaction.pair_energy
    strongest = max(abs(bound(table, initial=0.0)) for table in tables for bound in (np.min, np.max))
    if not strongest / twice_kT < LARGEST_EXPONENT:
        raise InputError(
            f"pair energies must lie below {LARGEST_EXPONENT:g} x 2kT; got {strongest:.3g} eV at "
            f"{conditions.temperature:g} K"
        )
    gain = np.divide(dense, -twice_kT)
    np.exp(gain, out=gain)
    return Tables(
        sites=sites,
        interaction=Interaction(
            repeats=np.array(lattice.repeats, np.int64),
            cell=_cells(lattice),
            energy=dense,
            gain=gain,
            loss=1.0 / gain,
            pair_offset=interaction.pair_offset,
            pair_site=interaction.pair_site,
            pair_energy=interaction.pair_energy,
            pair_factor=np.exp(-interaction.pair_energy / twice_kT),
            pair_step=pair_step,
            inside=inside,
        ),
        exclusions=Exclusions(lattice.exclusion_offset, lattice.exclusion_site),
        hops=_hops(lattice, conditions),
        ceilings=_ceilings(lattice, conditions),
        changes=NO_CHANGES,
        twice_kT=twice_kT,
        rebuild_every=rebuild_every,
    )


def _dense_rows(lattice: Lattice) -> NDArray[np.float64]:
    """Give the dense table as (n_sublattices, n_sites): a row holds the energies with an ion of the first cell."""
    dense = lattice.table.dense
    return dense.reshape(len(dense), np.prod(dense.shape[1:4], dtype=int) * dense.shape[4])


def _pair_energies(lattice: Lattice, site: NDArray[Any], other: NDArray[Any]) -> NDArray[np.float64]:
    """Energies of ions on sites of the first cell with ions on other sites, pair by pair, eV."""
    if lattice.table.is_dense:
        return np.asarray(_dense_rows(lattice)[site, other])
    return np.array([lattice.table.row(i)[j] for i, j in zip(site, other, strict=True)], np.float64)


def _cells(lattice: Lattice) -> NDArray[np.int32]:
    cells = np.repeat(cell_coordinates(lattice.repeats), lattice.network.n_sites, axis=0)
    sublattice = np.tile(np.arange(lattice.network.n_sites), lattice.n_cells)
    return np.column_stack([cells, sublattice]).astype(np.int32)


def site_tables(lattice: Lattice, temperature: float, own_energy: NDArray[np.float64]) -> Sites:
    """Sites of a lattice at one temperature; `own_energy`: (n_sublattices,) eV, of an ion with its own images."""
    network, unit = lattice.network, np.arange(lattice.network.n_sites)
    return Sites(
        species=lattice.site_species,
        sublattice=np.tile(unit.astype(np.int32), lattice.n_cells),
        energy=network.rates(temperature).free_energy,
        own_energy=own_energy,
        position=lattice.position,
        supercell=lattice.cell,
        first=np.searchsorted(network.site_species, np.arange(len(network.species) + 1)).astype(np.int64),
    )


def hop_constants(
    network: PoreNetwork, conditions: Conditions, own_field: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Constants of the rates min(top, min(square x, linear) x) of the hops of a cell, (n_hops,) each, 1/s.

    x = exp(-Δ(F + V)/2kT) holds free energies, the barriers are counted between energies: `entropy` is the difference.

    Parameters
    ----------
    network : PoreNetwork
    conditions : Conditions
    own_field : (n_hops,) float64, eV
        e_ij - e_ii, the part of ΔV that is the ion's own.

    Raises
    ------
    InputError
        If a constant leaves the range of floating-point numbers.
    """
    origin, target, twice_kT = network.hop_origin, network.hop_target, 2.0 * conditions.kT
    rates = network.rates(conditions.temperature)
    charge = np.array([species.charge for species in network.species])[network.site_species]
    work = charge[origin] * (network.hop_vector @ conditions.field)
    entropy = rates.free_energy - network.site_energy
    shift = (own_field + work + entropy[target] - entropy[origin]) / twice_kT
    kra = network.hop_saddle - 0.5 * (network.site_energy[origin] + network.site_energy[network.hop_target])
    attempt = conditions.attempt_frequency * rates.prefactor
    with np.errstate(over="ignore"):
        linear, square = attempt * np.exp(shift - kra / conditions.kT), attempt * np.exp(2.0 * shift)
    if not (np.isfinite(linear).all() and np.isfinite(square).all()):
        raise InputError(
            f"field and barriers must stay within some 300 kT; got {np.abs(work).max():.3g} eV of work and "
            f"E_KRA down to {kra.min():.3g} eV at {conditions.temperature:g} K"
        )
    return attempt, linear, square


def _hops(lattice: Lattice, conditions: Conditions) -> Hops:
    """Give the hop constants; the hops of the first cell stand for those of all cells.

    Raises
    ------
    InputError
        If there are more hops than numbers for them.
    """
    network = lattice.network
    if len(lattice.hop_target) >= _MOST_HOPS:
        raise InputError(
            f"supercell {lattice.repeats}: expected fewer than 2^32 hops, found {len(lattice.hop_target):,}"
        )
    origin, target = network.hop_origin, lattice.hop_target[: len(network.hop_origin)]
    forbidden = [lattice.exclusion_site[slice(*lattice.exclusion_offset[a : a + 2])] for a in range(network.n_sites)]
    own_field = _pair_energies(lattice, origin, target) - _pair_energies(lattice, origin, origin)
    top, linear, square = hop_constants(network, conditions, own_field)
    own = np.array([j in forbidden[i] for i, j in zip(origin, target, strict=True)], bool)
    unit = np.searchsorted(origin, np.arange(network.n_sites))
    degree = np.bincount(origin, minlength=network.n_sites)
    groups = np.zeros(len(network.species), np.uint64)
    np.maximum.at(groups, network.site_species, (degree.astype(np.uint64) + 3) // 4)
    column = np.arange(len(origin)) - unit[origin]
    step, inside = _steps(lattice, origin, network.hop_target, network.hop_image)
    constant = np.zeros((network.n_sites, int(groups.max(initial=0)), 3, 4))
    for kind, values in enumerate((square, np.where(own, -linear, linear), top)):
        constant[origin, column // 4, kind, column % 4] = values
    return Hops(
        first=lattice.hop_offset[:-1].astype(np.uint32),
        unit=np.tile(unit, lattice.n_cells).astype(np.uint32),
        degree=np.diff(lattice.hop_offset).astype(np.uint32),
        target=lattice.hop_target.view(np.uint32),
        wrap=lattice.hop_wrap,
        step=step,
        inside=inside,
        constant=constant.ravel(),
        width=4 * constant.shape[1],
        groups=groups,
        orbit=network.hop_orbit,
        reverse=network.hop_reverse,
    )


def _steps(
    lattice: Lattice, site: NDArray[Any], other: NDArray[Any], image: NDArray[Any]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Difference of the site numbers at both ends of some links, and the cells where no link crosses a face.

    `site`, `other`, (n,), are sublattices, `image`, (n, 3), the cell of the other.
    """
    repeats, cells = np.array(lattice.repeats), cell_coordinates(lattice.repeats)
    cell_step = image @ np.array([repeats[1] * repeats[2], repeats[2], 1])
    lowest, highest = image.min(axis=0, initial=0), image.max(axis=0, initial=0)
    inside = ((cells + lowest >= 0) & (cells + highest < repeats)).all(axis=1)
    return (cell_step * lattice.network.n_sites + other - site).astype(np.int64), inside


def _pair_steps(lattice: Lattice) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Give the same for the listed pairs, each taken the shorter way round the supercell."""
    table, n, repeats = lattice.table, lattice.network.n_sites, np.array(lattice.repeats)
    cell, other = np.divmod(table.pair_site[: table.pair_offset[n]], n)
    image = cell_coordinates(lattice.repeats)[cell]
    image = np.where(2 * image > repeats, image - repeats, image)
    return _steps(lattice, np.repeat(np.arange(n), np.diff(table.pair_offset[: n + 1])), other, image)


def _ceilings(lattice: Lattice, conditions: Conditions) -> Ceilings:
    """Give the largest rates of the hops; those of the first cell stand for all cells."""
    network, table, twice_kT = lattice.network, lattice.table, 2.0 * conditions.kT
    if table.is_dense:
        return Ceilings(np.zeros((3, 0, 0)), np.zeros((3, 0)), 0.0)
    origin, target = network.hop_origin, lattice.hop_target[: len(network.hop_origin)]
    own_field = _pair_energies(lattice, origin, target)
    lowest = np.array([np.minimum(table.row(j), 0.0).sum() for j in range(network.n_sites)])[network.hop_target]
    lowest += np.maximum(own_field, 0.0)
    free_energy = network.rates(conditions.temperature).free_energy
    exponent = (free_energy[origin] - free_energy[network.hop_target] - lowest) / twice_kT
    ease, bounded = np.exp(np.minimum(exponent, _LARGEST_EASE)), exponent <= _LARGEST_EASE
    top, linear, square = hop_constants(network, conditions, own_field)
    linear, square = np.where(bounded, linear * ease, np.inf), np.where(bounded, square * ease**2, np.inf)
    at_rest = np.minimum(top, np.minimum(square * AT_REST, linear) * AT_REST)
    degree = np.bincount(origin, minlength=network.n_sites)
    column = np.arange(len(origin)) - np.searchsorted(origin, np.arange(network.n_sites))[origin]
    ceiling = np.zeros((3, network.n_sites, max(1, int(degree.max(initial=0)))))
    ceiling[:, origin, column] = at_rest, linear, top
    running, exists = np.cumsum(ceiling, axis=2), np.arange(ceiling.shape[2]) < degree[:, None]
    most = np.ascontiguousarray(running[:, :, -1])
    common = float(most[0][degree > 0].min()) if degree.any() else 0.0
    return Ceilings(np.where(exists, running, np.inf), most, common)
