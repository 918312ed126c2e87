"""The pore network repeated to a supercell, and the energy of any two ions on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from lattice.ewald import EwaldPotential, coincident_pairs
from lattice.ewald_kernels import COINCIDENCE
from lattice.image_pairs import both_ways, image_pairs
from lattice.memory import available_memory
from lattice.near_pairs import PairOverride, exclusion_set, override_near_pairs
from lattice.network import PoreNetwork
from lattice.screening import as_tensor
from structures.checks import as_array
from structures.errors import InputError
from structures.units import COULOMB

_GIB = 2.0**30
_TABLES_OF_A_TASK = 2  # the factors of an ion that comes and of one that goes, beside the energies that all tasks share

Coulomb = Literal["coulomb", "untabulated coulomb"]
Tables = dict[str, NDArray[Any]]
Share = Callable[[Callable[[], Tables]], Tables]


def for_this_process(build: Callable[[], Tables]) -> Tables:
    """Build tables that no other process shares."""
    return build()


@dataclass(frozen=True, eq=False, slots=True)
class PairEnergies:
    """Short-range energies of pairs of sites, such as a nearest-neighbour repulsion.

    Attributes
    ----------
    site_a, site_b : (n_pairs,) int32
        Sublattices of the network. Every pair is given once, in either direction.
    image : (n_pairs, 3) int32
        Lattice translation of b's cell.
    energy : (n_pairs,) float64, eV
        Of an ion on a and an ion on b, charges included.

    Raises
    ------
    ValueError
        If a shape is wrong, a pair is given twice, or a site is paired with itself at no distance.
    """

    site_a: NDArray[np.int32]
    site_b: NDArray[np.int32]
    image: NDArray[np.int32]
    energy: NDArray[np.float64]

    def __post_init__(self) -> None:
        n_pairs = len(self.site_a)
        for name, dtype, shape in (
            ("site_a", np.int32, (n_pairs,)),
            ("site_b", np.int32, (n_pairs,)),
            ("image", np.int32, (n_pairs, 3)),
            ("energy", np.float64, (n_pairs,)),
        ):
            object.__setattr__(self, name, as_array(getattr(self, name), name, dtype, shape))
        both = self.both_ways()[0]
        unique, count = np.unique(both, axis=0, return_counts=True)
        if (count > 1).any():
            a, b, *image = unique[count > 1][0].tolist()
            raise ValueError(f"a pair must be given once, in one direction; got {(a, b)}, image {tuple(image)}, twice")

    def both_ways(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Pairs in both directions: (2 n_pairs, 5) a, b, image and (2 n_pairs,) eV."""
        links = np.column_stack([self.site_a, self.site_b, self.image]).astype(np.int64)
        return both_ways(links), np.concatenate([self.energy, self.energy])

    @classmethod
    def within(
        cls,
        network: PoreNetwork,
        cutoff: float,
        energy: Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]],
    ) -> PairEnergies:
        """All pairs nearer than a cut-off that may be occupied together, with an energy that depends on their distance.

        Parameters
        ----------
        network : PoreNetwork
        cutoff : float, Å
        energy : callable
            From distances (m,) Å and products of both charges (m,) e² to energies (m,) eV, for example a screened
            Coulomb energy.
        """
        links, distance = image_pairs(network.cell, network.site_frac, cutoff)
        excluded = exclusion_set(network)
        allowed = np.array([tuple(link) not in excluded for link in links.tolist()], dtype=bool)
        links, distance = links[allowed], distance[allowed]
        charge = np.array([species.charge for species in network.species])[network.site_species]
        pair_energy = np.asarray(energy(distance, charge[links[:, 0]] * charge[links[:, 1]]))
        return cls(links[:, 0], links[:, 1], links[:, 2:], pair_energy)


@dataclass(frozen=True, eq=False, slots=True)
class InteractionTable:
    """Energy of two ions on any two sites: a dense table for long range, or a list of neighbours for short range.

    Attributes
    ----------
    dense : (n_sublattices, n1, n2, n3, n_sublattices) float64, eV, or all dimensions but the first and last zero
        dense[a, n, b]: ion on a, ion on b in the cell n away, modulo the supercell. dense[a, 0, a] is the energy of an
        ion with its own images. Equal to dense[b, -n, a] to the last bit.
    pair_offset : (n_sites + 1,) int64
        The neighbours of site i of the supercell are `pair_site[pair_offset[i]:pair_offset[i + 1]]`.
    pair_site : (n_pairs,) int32
    pair_energy : (n_pairs of a cell,) float64, eV
        Those of the first cell stand for the ones of all cells.

    Raises
    ------
    ValueError
        If a shape or type is wrong, a number is out of range or not finite, or both forms hold energies.
    """

    dense: NDArray[np.float64]
    pair_offset: NDArray[np.int64]
    pair_site: NDArray[np.int32]
    pair_energy: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.dense.ndim != 5:
            raise ValueError(f"dense must have 5 dimensions; got {self.dense.ndim}")
        n_sublattices, *repeats, _ = self.dense.shape
        _require(self.dense, "dense", np.float64, (n_sublattices, *repeats, n_sublattices))
        n_sites = _require_rows(self.pair_offset, self.pair_site, "pair")
        _require(self.pair_energy, "pair_energy", np.float64, (int(self.pair_offset[min(n_sublattices, n_sites)]),))
        if self.is_dense and (n_sites != n_sublattices * int(np.prod(repeats)) or len(self.pair_site)):
            raise ValueError(
                f"interaction must be a table or a list of pairs; got a table of shape {self.dense.shape} beside "
                f"{len(self.pair_site)} pairs of {n_sites} sites"
            )
        for name in ("dense", "pair_energy"):
            if not np.isfinite(getattr(self, name).sum()):
                raise ValueError(f"{name} must be finite; got nan or infinite energies")

    @property
    def n_sites(self) -> int:
        """Sites of the supercell."""
        return len(self.pair_offset) - 1

    @property
    def is_dense(self) -> bool:
        """Whether every ion interacts with every other."""
        return self.dense.size > 0

    def row(self, site: int) -> NDArray[np.float64]:
        """Energy of an ion on every site with an ion on `site`, (n_sites,), eV; the plain form of the kernels' loop."""
        if self.is_dense:
            n_sublattices, *repeats, _ = self.dense.shape
            cell, a = divmod(site, n_sublattices)
            return np.asarray(np.roll(self.dense[a], np.unravel_index(cell, repeats), axis=(0, 1, 2)).ravel())
        row = np.zeros(self.n_sites)
        mine = np.arange(self.pair_offset[site], self.pair_offset[site + 1])
        row[self.pair_site[mine]] = self.pair_energy[mine % max(len(self.pair_energy), 1)]
        return row


@dataclass(frozen=True, slots=True)
class UntabulatedCoulomb:
    """Coulomb energies in a supercell that is too large for a table; the engine computes them on meshes.

    Attributes
    ----------
    n_sites : int
        Of the supercell.
    pair_overrides : tuple of PairOverride
        Energies of near pairs instead of their Coulomb energies.
    """

    n_sites: int
    pair_overrides: tuple[PairOverride, ...] = ()


@dataclass(frozen=True, eq=False, slots=True)
class Lattice:
    """A pore network repeated (n1, n2, n3) times under periodic boundaries.

    Site index = cell * n_sublattices + sublattice, cell = (c1 * n2 + c2) * n3 + c3. The hops of a site come in the
    order of the network's hops from its sublattice. A hop may lead to the own image of its site when the supercell is
    one cell wide: that image is occupied by the ion itself, so such a hop never happens.

    Attributes
    ----------
    network : PoreNetwork
    repeats : tuple of int
    permittivity : (3, 3) float64
        Tensor eps_r of the interaction between the ions.
    hop_offset : (n_sites + 1,) int64
    hop_target : (n_hops,) int32
    hop_wrap : (n_hops, 3) int8
        Supercell translations made by the hop.
    exclusion_offset : (n_sites + 1,) int64
    exclusion_site : (n_exclusions,) int32
        Other sites that must be empty while this one is occupied, each listed once.
    interaction : InteractionTable or UntabulatedCoulomb

    Raises
    ------
    ValueError
        If a shape or type is wrong, or a number is out of range.
    """

    network: PoreNetwork
    repeats: tuple[int, int, int]
    permittivity: NDArray[np.float64]
    hop_offset: NDArray[np.int64]
    hop_target: NDArray[np.int32]
    hop_wrap: NDArray[np.int8]
    exclusion_offset: NDArray[np.int64]
    exclusion_site: NDArray[np.int32]
    interaction: InteractionTable | UntabulatedCoulomb

    def __post_init__(self) -> None:
        if len(self.repeats) != 3 or min(self.repeats) < 1:
            raise ValueError(f"repeats must be three integers of at least 1; got {self.repeats}")
        object.__setattr__(self, "permittivity", as_tensor(self.permittivity))
        found = {
            "hop_offset": _require_rows(self.hop_offset, self.hop_target, "hop", far_name="target"),
            "exclusion_offset": _require_rows(self.exclusion_offset, self.exclusion_site, "exclusion"),
            "interaction": self.interaction.n_sites,
        }
        for name, n_sites in found.items():
            if n_sites != self.n_sites:
                raise ValueError(f"{name} must be for {self.n_sites} sites; got {n_sites}")
        n_hops = self.n_cells * len(self.network.hop_origin)
        _require(self.hop_target, "hop_target", np.int32, (n_hops,))
        _require(self.hop_wrap, "hop_wrap", np.int8, (n_hops, 3))
        table, shape = self.interaction, (self.network.n_sites, *self.repeats)
        if isinstance(table, InteractionTable) and table.is_dense and table.dense.shape[:4] != shape:
            raise ValueError(f"dense must have shape {(*shape, self.network.n_sites)}; got {table.dense.shape}")

    @property
    def table(self) -> InteractionTable:
        """Tabulated interaction.

        Raises
        ------
        ValueError
            If the lattice has none.
        """
        if isinstance(self.interaction, InteractionTable):
            return self.interaction
        raise ValueError("lattice must have its interaction in a table; got one that is left to the engine")

    @property
    def n_cells(self) -> int:
        """Cells in the supercell."""
        return int(np.prod(self.repeats))

    @property
    def n_sites(self) -> int:
        """Sites in the supercell, all species."""
        return self.n_cells * self.network.n_sites

    @property
    def cell(self) -> NDArray[np.float64]:
        """Lattice vectors of the supercell in rows, (3, 3), Å."""
        return np.asarray(self.network.cell * np.array(self.repeats)[:, None])

    @property
    def volume(self) -> float:
        """Volume of the supercell, Å³."""
        return self.n_cells * self.network.volume

    @property
    def site_species(self) -> NDArray[np.int32]:
        """Species of every site of the supercell, (n_sites,)."""
        return np.tile(self.network.site_species, self.n_cells)

    @property
    def position(self) -> NDArray[np.float64]:
        """Place of every site in the supercell, (n_sites, 3), Å."""
        frac = cell_coordinates(self.repeats)[:, None, :] + self.network.site_frac[None, :, :]
        return np.asarray(frac.reshape(-1, 3) @ self.network.cell)


def cell_coordinates(repeats: tuple[int, int, int]) -> NDArray[np.int64]:
    """Integer coordinates of the cells of a supercell in the order of the site index, (n_cells, 3)."""
    return np.stack(np.unravel_index(np.arange(int(np.prod(repeats))), repeats), axis=1)


def table_bytes(network: PoreNetwork, repeats: tuple[int, int, int]) -> int:
    """Memory of the long-range interaction table, bytes."""
    return network.n_sites**2 * int(np.prod(repeats)) * 8


def memory_of_tables(network: PoreNetwork, repeats: tuple[int, int, int], tasks: int) -> int:
    """Memory of the interaction table and of what every simultaneous task makes of it, bytes.

    That are the factors, and at most a byte for every two hops, and every site and cell; see kmc/thinning.py.
    """
    n_places, n_hops = (network.n_sites + 1) * int(np.prod(repeats)), len(network.hop_origin)
    return (1 + _TABLES_OF_A_TASK * tasks) * table_bytes(network, repeats) + tasks * n_hops * n_places // 2


def require_memory(network: PoreNetwork, repeats: tuple[int, int, int], tasks: int) -> None:
    """Refuse a supercell whose Coulomb table, and what all simultaneous tasks make of it, do not fit in memory.

    Raises
    ------
    InputError
        With the memory that is needed and the memory that is available.
    """
    need, found = memory_of_tables(network, repeats, tasks), available_memory()
    if need > found:
        raise InputError(
            f"supercell {repeats} needs {need / _GIB:.1f} GiB for its Coulomb table and those of {tasks} "
            f"simultaneous task{'s' if tasks > 1 else ''}; {found / _GIB:.1f} GiB of memory are available"
        )


def replicate(
    network: PoreNetwork,
    repeats: tuple[int, int, int],
    *,
    permittivity: ArrayLike | None = None,
    interaction: Coulomb | PairEnergies | None = "coulomb",
    pair_overrides: Sequence[PairOverride] = (),
    tasks: int = 1,
    share: Share = for_this_process,
) -> Lattice:
    """Repeat a network to a supercell and tabulate the energy of every two ions on it.

    Parameters
    ----------
    network : PoreNetwork
    repeats : tuple of int
    permittivity : float, (3,) or (3, 3) array_like, optional
        eps_r between the ions; by default the one of the network.
    interaction : "coulomb", "untabulated coulomb", PairEnergies or None
        Long-range Coulomb energy by Ewald summation, tabulated here or, in large supercells, left to the engine; given
        short-range energies; or exclusions alone.
    pair_overrides : sequence of PairOverride
        Energies of near pairs instead of their Coulomb energies.
    tasks : int
        Simulations that will run at the same time in the memory of this machine, each with factors of its own beside
        the shared table.
    share : callable
        Given a function that builds tables by name, it returns tables of the same values, whoever has built them: the
        processes of one machine can keep one copy of the interaction table.

    Raises
    ------
    InputError
        If a repeat is below one, an ion would meet its own image (by exclusion, or by a short-range energy), the
        tables do not fit in memory, two sites of unlike or like ions coincide without excluding each other, or an
        override of near pairs does not fit, see lattice/near_pairs.py.
    """
    if len(repeats) != 3 or any(int(n) != n or n < 1 for n in repeats):
        raise InputError(f"repeats must be three integers of at least 1; got {repeats}")
    n1, n2, n3 = (int(n) for n in repeats)
    repeats = (n1, n2, n3)
    eps_r = as_tensor(network.permittivity if permittivity is None else permittivity)
    if interaction == "coulomb":
        require_memory(network, repeats, tasks)
    exclusions = np.column_stack([network.exclusion_a, network.exclusion_b, network.exclusion_image]).astype(np.int64)
    _refuse_own_image(exclusions, repeats, network, "exclusion")
    hops = np.column_stack([network.hop_origin, network.hop_target, network.hop_image]).astype(np.int64)
    hop_offset, hop_target, hop_wrap = _expand(hops, repeats, network.n_sites)
    exclusion_offset, exclusion_site, _ = _expand(_distinct(exclusions, repeats)[0], repeats, network.n_sites)
    if np.abs(hop_wrap).max(initial=0) > 127:
        raise InputError("hops must cross fewer than 128 supercells; a hop of the network is longer than that")
    return Lattice(
        network=network,
        repeats=repeats,
        permittivity=eps_r,
        hop_offset=hop_offset,
        hop_target=hop_target,
        hop_wrap=_frozen(hop_wrap.astype(np.int8)),
        exclusion_offset=exclusion_offset,
        exclusion_site=exclusion_site,
        interaction=_interaction(network, repeats, eps_r, interaction, pair_overrides, share),
    )


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    array.flags.writeable = False
    return array


def _require(array: NDArray[Any], name: str, dtype: DTypeLike, shape: tuple[int, ...]) -> None:
    """Refuse a wrong type or shape; the tables are too large to be copied like other arrays."""
    if array.dtype != dtype or array.shape != shape or not array.flags.c_contiguous:
        raise ValueError(
            f"{name} must be a contiguous array of {np.dtype(dtype)} of shape {shape}; got {array.dtype}, {array.shape}"
        )


def _require_rows(offset: NDArray[np.int64], far: NDArray[np.int32], name: str, *, far_name: str = "site") -> int:
    """Refuse rows that do not start at 0, rise and end with their last entry, or name sites out of range.

    Returns
    -------
    int
        Number of rows, which is the number of sites.
    """
    n_sites = len(offset) - 1
    _require(offset, f"{name}_offset", np.int64, (n_sites + 1,))
    _require(far, f"{name}_{far_name}", np.int32, (len(far),))
    if n_sites < 0 or offset[0] != 0 or offset[-1] != len(far) or (np.diff(offset) < 0).any():
        raise ValueError(f"{name}_offset must rise from 0 to {len(far)}; got {offset}")
    if far.size and not (0 <= far.min() and far.max() < n_sites):
        raise ValueError(f"{name}_{far_name} must lie in [0, {n_sites}); got {far.min()} to {far.max()}")
    return n_sites


def _refuse_own_image(links: NDArray[np.int64], repeats: tuple[int, int, int], network: PoreNetwork, what: str) -> None:
    own = links[(links[:, 0] == links[:, 1]) & (links[:, 2:] != 0).any(axis=1)]
    meets = (own[:, 2:] % np.array(repeats) == 0).all(axis=1)
    if meets.any():
        site, _, *image = own[meets][0].tolist()
        needed = tuple(int(n) for n in np.maximum(repeats, np.abs(own[:, 2:]).max(axis=0) + 1))
        species = network.species[network.site_species[site]].name
        raise InputError(
            f"supercell {repeats} is too small: an ion {species} on site {site} meets its own {what} image at "
            f"{tuple(image)}; repeats of {needed} are enough"
        )


def _distinct(links: NDArray[np.int64], repeats: tuple[int, int, int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Links with images modulo the supercell, each once and sorted, and the row that every given link became."""
    folded = np.concatenate([links[:, :2], links[:, 2:] % np.array(repeats)], axis=1)
    distinct, place = np.unique(folded, axis=0, return_inverse=True)
    return distinct, place.ravel()


def _expand(
    links: NDArray[np.int64], repeats: tuple[int, int, int], n_sublattices: int
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int64]]:
    """Repeat links (a, b, image), sorted by a, for all sites of the supercell: offsets, far sites, wraps."""
    cells = cell_coordinates(repeats)
    size = np.array(repeats)
    reached = cells[:, None, :] + links[None, :, 2:]
    wrap, folded = reached // size, reached % size
    cell = (folded[..., 0] * size[1] + folded[..., 1]) * size[2] + folded[..., 2]
    count = np.tile(np.bincount(links[:, 0], minlength=n_sublattices), len(cells))
    offset = np.concatenate([[0], np.cumsum(count)]).astype(np.int64)
    site = (cell * n_sublattices + links[None, :, 1]).astype(np.int32)
    return _frozen(offset), _frozen(site.ravel()), wrap.reshape(-1, 3)


def _interaction(
    network: PoreNetwork,
    repeats: tuple[int, int, int],
    permittivity: NDArray[np.float64],
    interaction: Coulomb | PairEnergies | None,
    pair_overrides: Sequence[PairOverride],
    share: Share,
) -> InteractionTable | UntabulatedCoulomb:
    n_sublattices = network.n_sites
    nothing = np.zeros((n_sublattices, 0, 0, 0, n_sublattices))
    if isinstance(interaction, str):
        if interaction not in get_args(Coulomb):
            raise InputError(f'interaction must be "coulomb", PairEnergies or None; got {interaction!r}')
        if interaction == "untabulated coulomb":
            _refuse_coincidence(network)
            return UntabulatedCoulomb(n_sublattices * int(np.prod(repeats)), tuple(pair_overrides))
        offset, site, _ = _expand(np.zeros((0, 5), np.int64), repeats, n_sublattices)

        def tabulate() -> Tables:
            dense = _coulomb(network, repeats, permittivity)
            override_near_pairs(dense, network, permittivity, pair_overrides)
            return {"dense": dense}

        dense = share(tabulate)["dense"]
        return InteractionTable(_frozen(dense), offset, site, _frozen(np.zeros(0)))
    if pair_overrides:
        raise InputError("overrides of near pairs replace Coulomb energies; the interaction given has none")
    links, energy = np.zeros((0, 5), np.int64), np.zeros(0)
    if interaction is not None:
        links, energy = interaction.both_ways()
        if links.size and not (0 <= links[:, :2].min() and links[:, :2].max() < n_sublattices):
            raise InputError(f"pair energies must name sites in [0, {n_sublattices}); got {links[:, :2].max()}")
        _refuse_own_image(links, repeats, network, "pair energy")
    distinct, place = _distinct(links, repeats)
    summed = np.bincount(place, weights=energy, minlength=len(distinct)).astype(np.float64)
    offset, site, _ = _expand(distinct, repeats, n_sublattices)
    return InteractionTable(_frozen(nothing), offset, site, _frozen(summed))


def _coulomb(
    network: PoreNetwork, repeats: tuple[int, int, int], permittivity: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Coulomb energy q_a q_b k_e psi of every pair of sublattices and cell offset, screening included, eV."""
    _refuse_coincidence(network)
    charge = np.array([species.charge for species in network.species])[network.site_species]
    table = EwaldPotential(network.cell * np.array(repeats)[:, None], permittivity).table(network.site_frac, repeats)
    table *= COULOMB * charge[:, None, None, None, None] * charge
    return table


def _refuse_coincidence(network: PoreNetwork) -> None:
    excluded = exclusion_set(network)
    for a, b, *image in coincident_pairs(network.site_frac, network.cell).tolist():
        if (a, b, *image) not in excluded:
            raise InputError(
                f"sites nearer than {COINCIDENCE} Å must exclude each other; {a} and {b} (image {tuple(image)}) do not"
            )
