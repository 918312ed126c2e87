"""Bounds on the change of hop energies by a hop elsewhere, for the thinning of events.

A hop of charge q along u changes ΔE of a hop q', v by q q' u·H·v with H the second derivatives of psi between both
places. Near pairs get the exact value, from the Ewald energies; blocks of cells farther away get a bound from the
largest |H| beyond their distance, or where it is less, from 1/r between the ends of the hops and |H| of other images.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage, special

from kmc import thinning_kernels
from kmc.kernels import Changes
from kmc.multilevel_kernels import SPENT, Bounds
from kmc.tables import shared_rows
from lattice.screening import screened_cell, screening_factor
from lattice.supercell import Lattice
from structures.units import COULOMB

CHANGE = 1.0  # allowance for the change of ΔE of the hops of an ion, of 2kT, in lattices with a table
_NEARBY = 1 / 3  # part of it that hops must be able to use up in a cell for its sites to have codes of their own
_STEPS = 16  # codes of a change for a factor of two
_DRIFT = 1e-5  # eV, by which kept energies may differ from those of the table
_LARGEST_TABLE = 2**22  # entries of the bounds of blocks far away, if hops have classes by their direction
_MOST_PAIRS = 10**9  # of hops, whose ends are looked at one by one for these classes
_SAFETY = 1.1  # of |H| between the points where it was computed


@dataclass(frozen=True, slots=True)
class Allowance:
    """How far ΔE may move before an ion's rate is computed again; decides the speed and not the result.

    Attributes
    ----------
    near, far : float
        For hops nearby and far away, in units of 2kT.
    share : float
        Ions are looked at one by one where a hop may cost more than this share of `near`.
    ions_per_block : float
        Farther away, ions are renewed together with those in the same block of cells.
    """

    near: float = 0.5
    far: float = 1.0
    share: float = 0.05
    ions_per_block: float = 1.5


@dataclass(frozen=True, eq=False, slots=True)
class Blocks:
    """Blocks of cells: cells along each axis, and how many blocks on each side count as nearby, (3,) each."""

    size: NDArray[np.int64]
    nearby: NDArray[np.int64]


def choose_blocks(lattice: Lattice, allowance: Allowance, twice_kT: float, n_movers: int, contact: float) -> Blocks:
    """Size of the blocks from the density of the ions, and the reach of the ion-by-ion bounds from the energies.

    `contact`: real Å, within which ions must be looked at one by one whatever their energies.
    """
    network = lattice.network
    cell = screened_cell(network.cell, lattice.permittivity)
    heights = 1.0 / np.linalg.norm(np.linalg.inv(cell), axis=0)
    volume = lattice.n_cells * float(abs(np.linalg.det(cell)))
    edge = (allowance.ions_per_block * volume / max(n_movers, 1)) ** (1.0 / 3.0)
    size = np.clip(np.rint(edge / heights), 1, lattice.repeats).astype(np.int64)
    vector = (network.site_frac[network.hop_target] + network.hop_image - network.site_frac[network.hop_origin]) @ cell
    charge = np.array([species.charge for species in network.species])[network.site_species][network.hop_origin]
    dipole = float((np.abs(charge) * np.linalg.norm(vector, axis=1)).max(initial=0.0))
    strength = 2.0 * COULOMB * screening_factor(lattice.permittivity) * dipole**2
    reach = (strength / (allowance.share * allowance.near * twice_kT)) ** (1.0 / 3.0)
    smallest = float(np.sqrt(np.linalg.eigvalsh(lattice.permittivity)[0]))
    reach = max(reach, contact / smallest)
    images = [np.abs(x).max(axis=0, initial=0) for x in (network.hop_image, network.exclusion_image)]
    cells = np.maximum(np.ceil(reach / heights - 1e-9), 2 * images[0] + images[1])
    return Blocks(size, np.ceil(cells / size - 1e-9).astype(np.int64))


def pair_shape(lattice: Lattice, blocks: Blocks) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cell offsets of the ion-by-ion bounds along each axis, and those of the energies that they are computed from."""
    half = (blocks.nearby + 1) * blocks.size - 1
    hop = np.abs(lattice.network.hop_image).max(axis=0, initial=0)
    repeats = np.array(lattice.repeats, np.int64)
    return np.minimum(2 * half + 1, repeats), np.minimum(2 * (half + 2 * hop) + 1, repeats)


def make_bounds(
    lattice: Lattice,
    energy: NDArray[np.float64],
    mobile: NDArray[np.bool_],
    allowance: Allowance,
    grouping: Blocks,
    twice_kT: float,
    tolerance: float,
) -> Bounds:
    """Tables of the bounds.

    Parameters
    ----------
    lattice : Lattice
    energy : (n_sublattices, d1, d2, d3, n_sublattices) float64, eV
        Of pairs by cell offset modulo d, at least as wide as `pair_shape` says.
    mobile : (n_sublattices,) bool
        Sublattices with ions that hop.
    allowance : Allowance
    grouping : Blocks
    twice_kT : float, eV
    tolerance : float, eV
        By which the kept energies may differ from those of the table.
    """
    network, repeats = lattice.network, np.array(lattice.repeats, np.int64)
    size, nearby = grouping.size, grouping.nearby
    shape, _ = pair_shape(lattice, grouping)
    blocks = -(-repeats // size)
    reach = np.array([(-min(n, (b - 1) // 2), min(n, b // 2)) for n, b in zip(nearby, blocks, strict=True)], np.int64)
    pair = np.zeros((len(network.hop_origin), *shape, network.n_sites), np.float32)
    first = np.searchsorted(network.hop_origin, np.arange(network.n_sites + 1)).astype(np.int64)
    thinning_kernels.fill_pairs(
        first, network.hop_target.astype(np.int64), network.hop_image.astype(np.int64), mobile, energy, pair
    )
    _open_at_once(lattice, shape, pair)
    steps = np.ceil(_STEPS * np.log2(np.maximum(pair * (1.0 / (allowance.near * twice_kT)), 2.0**-20)))
    hop_class, far = _far_bounds(lattice, mobile, size, blocks, reach, allowance.far * twice_kT)
    counts = np.arange(repeats.max())
    return Bounds(
        stretch=math.exp(allowance.near + allowance.far + 2.0 * tolerance / twice_kT),
        cost=_costs().astype(np.float32),
        pair=np.clip(255 + steps, 0, 255).astype(np.uint8),
        pair_shift=shape // 2,
        block_of=np.ascontiguousarray(np.minimum(counts // size[:, None], blocks[:, None] - 1), np.int32),
        blocks=blocks,
        reach=reach,
        far=np.ascontiguousarray(np.stack([np.roll(far, n, axis=3) for n in range(blocks[2])], axis=1)).ravel(),
        far_largest=far.max(axis=(1, 2, 3)).astype(np.int64),
        hop_class=hop_class,
    )


def largest_changes(lattice: Lattice, twice_kT: float) -> Changes:
    """How far every hop can change ΔE of the hops of another ion at most, in lattices with a table.

    A hop changes the energy on site s by D_s, the difference of two rows of the table, and ΔE of a hop from j to k by
    D_k - D_j, of which the largest over the hops from j counts. A hop and its reverse share a row; ions for which one
    of them opens a site are renewed at once. Outside the box of cells where some hop uses up more than _NEARBY, the
    sites of a cell share their largest code. Rows are computed twice, so that never all of them are in memory.
    """
    row, tabulated = shared_rows(lattice.network.hop_reverse)
    repeats = np.array(lattice.repeats)
    largest = np.zeros(lattice.repeats, np.uint8)
    for hop in tabulated.tolist():
        np.maximum(largest, _codes(lattice, hop, twice_kT).max(axis=3), out=largest)
    strong = np.argwhere(largest > 255 + _STEPS * math.log2(_NEARBY))
    half = np.minimum(strong, repeats - strong).max(axis=0, initial=0)
    width = np.minimum(2 * half + 1, repeats)
    box = tuple(slice(n) for n in width.tolist())
    code = np.empty((len(tabulated), int(width.prod()) * lattice.network.n_sites + lattice.n_cells), np.uint8)
    for hop, places in zip(tabulated.tolist(), code, strict=True):
        found = np.roll(_codes(lattice, hop, twice_kT), half, axis=(0, 1, 2))
        places[:] = np.concatenate([found[box].ravel(), found.max(axis=3).ravel()])
    stretch = math.exp(CHANGE + 2.0 * _DRIFT / twice_kT)
    return Changes(row, code, np.stack([width, half]).astype(np.int64), _costs(), stretch)


def _codes(lattice: Lattice, hop: int, twice_kT: float) -> NDArray[np.uint8]:
    """Code of the largest change by a hop from the first cell, or by its reverse, for the ion on every site."""
    network, dense = lattice.network, lattice.table.dense
    a, b, image = int(network.hop_origin[hop]), network.hop_target[hop], network.hop_image[hop].tolist()
    difference = (np.roll(dense[b], image, axis=(0, 1, 2)) - dense[a]).ravel()
    code = np.zeros(lattice.n_sites, np.uint8)
    thinning_kernels.encode_changes(lattice.hop_offset, lattice.hop_target, difference, CHANGE * twice_kT, _STEPS, code)
    for end in (a, int(lattice.hop_target[hop])):
        for freed in (end, *lattice.exclusion_site[slice(*lattice.exclusion_offset[end : end + 2])].tolist()):
            code[lattice.hop_target[slice(*lattice.hop_offset[freed : freed + 2])]] = 255
    return code.reshape(*lattice.repeats, network.n_sites)


def _costs() -> NDArray[np.float64]:
    """Part of the allowance that every code stands for; the last one stands for all that may exceed it."""
    cost = 2.0 ** ((np.arange(256) - 255.0) / _STEPS)
    cost[255] = np.inf
    return np.asarray(cost)


def _open_at_once(lattice: Lattice, shape: NDArray[np.int64], pair: NDArray[np.float32]) -> None:
    """Mark the ions for which a hop opens another one: it leaves, or no longer excludes, a site that they can reach."""
    network = lattice.network
    freed: dict[int, list[tuple[int, ...]]] = {a: [(a, 0, 0, 0)] for a in range(network.n_sites)}
    for a, b, image in zip(network.exclusion_a, network.exclusion_b, network.exclusion_image.tolist(), strict=True):
        freed[int(a)].append((int(b), *image))
    into: dict[int, list[tuple[int, ...]]] = {a: [] for a in range(network.n_sites)}
    for a, b, image in zip(network.hop_origin, network.hop_target, network.hop_image.tolist(), strict=True):
        into[int(b)].append((int(a), *image))
    for h, a in enumerate(network.hop_origin.tolist()):
        for b, *cell in freed[a]:
            for origin, *image in into[b]:
                place = (np.array(cell) - np.array(image) + shape // 2) % np.array(lattice.repeats)
                pair[(h, *place.tolist(), origin)] = np.inf


def _far_bounds(
    lattice: Lattice,
    mobile: NDArray[np.bool_],
    size: NDArray[np.int64],
    blocks: NDArray[np.int64],
    reach: NDArray[np.int64],
    allowance: float,
) -> tuple[NDArray[np.int32], NDArray[np.uint16]]:
    """Class of every hop, and what hops of each class cost the blocks by their offset.

    From the largest |H| beyond the distance of the blocks; where hops point in few directions only, also from 1/r
    between the ends of all pairs of hops and the largest |H| of the other images.
    """
    network, repeats = lattice.network, np.array(lattice.repeats, np.int64)
    cell = screened_cell(network.cell, lattice.permittivity)
    charge = np.abs([species.charge for species in network.species])[network.site_species][network.hop_origin]
    vector = (network.site_frac[network.hop_target] + network.hop_image - network.site_frac[network.hop_origin]) @ cell
    length, moves = np.linalg.norm(vector, axis=1), mobile[network.hop_origin]
    strength = charge * length
    distance, images = _cell_distances(lattice, cell, mobile)
    by_block = _by_block(distance, size, blocks, np.min)
    nearby = np.zeros(blocks, bool)
    nearby[np.ix_(*(np.arange(low, high + 1) % n for (low, high), n in zip(reach, blocks, strict=True)))] = True
    most = _LARGEST_TABLE / (blocks.prod() * blocks[2])
    if repeats.prod() * moves.sum() ** 2 > _MOST_PAIRS:
        most = 0.0
    hop_class, directed = _hop_classes(charge[:, None] * vector, strength, moves, most)
    far = np.zeros((int(hop_class.max(initial=0)) + 1, *blocks), np.uint16)
    if not moves.any() or nearby.all():
        return hop_class, far
    unit = COULOMB * screening_factor(lattice.permittivity)
    other, longest = float(strength[moves].max()), float(length[moves].max())
    whole = screened_cell(lattice.cell, lattice.permittivity)
    radius, largest, largest_of_images = _second_derivative(whole, 4.0 * longest)
    spread = np.ptp(network.site_frac[mobile], axis=0) @ np.linalg.norm(cell, axis=1)
    farthest = distance + 2.0 * (longest + spread)  # of any two points of two hops
    for n in range(len(far)):
        mine = np.flatnonzero((hop_class == n) & moves)
        if len(mine):
            dipole = float(strength[mine].max()) * other
            grid = (np.arange(8) + 0.5) / 8
            closer = grid[:, None] * float(length[mine].max()) + grid[None, :] * longest
            between = np.maximum(by_block[..., None] - closer.ravel(), radius[0])
            bound = np.interp(between, radius, largest).mean(axis=-1) * dipole
            if directed:
                change = _pair_changes(lattice, mine, np.flatnonzero(moves), charge, vector, images)
                change += np.interp(farthest, radius, largest_of_images) * dipole
                bound = np.minimum(bound, _by_block(change, size, blocks, np.max))
            far[n] = np.where(nearby, 0, np.minimum(np.ceil(unit * bound / allowance * SPENT), SPENT // 2 - 1))
    return hop_class, far


def _pair_changes(
    lattice: Lattice,
    mine: NDArray[np.int64],
    others: NDArray[np.int64],
    charge: NDArray[np.float64],
    vector: NDArray[np.float64],
    images: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Largest change of ΔE of one of `others` by one of the hops `mine` with 1/r of nearest images, e²/Å, by cell."""
    network, repeats = lattice.network, np.array(lattice.repeats, np.int64)
    supercell = screened_cell(network.cell, lattice.permittivity) * repeats[:, None]
    first = [np.searchsorted(network.hop_origin[hops], np.arange(network.n_sites + 1)) for hops in (mine, others)]
    change = np.zeros(lattice.repeats)
    thinning_kernels.pair_changes(
        first[0], mine, first[1], others, charge, vector, network.site_frac, repeats, supercell, images, change
    )
    return change


def _hop_classes(
    dipole: NDArray[np.float64], strength: NDArray[np.float64], moves: NDArray[np.bool_], most: float
) -> tuple[NDArray[np.int32], bool]:
    """Class of every hop, by its dipole up to the sign if that makes no more than so many classes, else by its size."""
    turned = dipole * np.sign(dipole[np.arange(len(dipole)), np.abs(dipole).argmax(axis=1)])[:, None]
    turned = np.where(moves[:, None], turned, turned[moves][:1] if moves.any() else 0.0)
    classes, hop_class = np.unique(turned.round(6) + 0.0, axis=0, return_inverse=True)
    if len(classes) <= most:
        return hop_class.ravel().astype(np.int32), True
    scale = np.maximum(strength, 1e-9) / max(strength[moves].max(initial=0.0), 1e-9)
    step = np.clip(np.floor(-2.0 * np.log2(np.minimum(scale, 1.0))), 0, 7)
    return np.unique(step, return_inverse=True)[1].astype(np.int32), False


def _cell_distances(
    lattice: Lattice, cell: NDArray[np.float64], mobile: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Smallest distance between sites of two cells by their offset, screened Å, and the images to look at."""
    repeats = np.array(lattice.repeats, np.int64)
    supercell = cell * repeats[:, None]
    right_angles = np.abs(supercell @ supercell.T - np.diag(np.diag(supercell @ supercell.T))).max() < 1e-6
    images = np.array([(0, 0, 0)] if right_angles else list(product((-1, 0, 1), repeat=3)), np.float64)
    distance = np.empty(lattice.repeats)
    thinning_kernels.cell_distances(lattice.network.site_frac[mobile], repeats, supercell, images, distance)
    return distance, images


def _by_block(
    by_cell: NDArray[np.float64], size: NDArray[np.int64], blocks: NDArray[np.int64], extreme: Callable[..., Any]
) -> NDArray[np.float64]:
    """Least or largest (np.min or np.max) of a number by cell offset, over all cells of two blocks, (b1, b2, b3)."""
    filtered = ndimage.minimum_filter if extreme is np.min else ndimage.maximum_filter
    by_cell = filtered(by_cell, size=tuple(2 * size - 1), mode="wrap")
    places = [
        np.stack([np.arange(b) * s % n, (np.arange(b) * s - b * s) % n])
        for b, s, n in zip(blocks, size, by_cell.shape, strict=True)
    ]
    found = [by_cell[np.ix_(places[0][i], places[1][j], places[2][k])] for i, j, k in product((0, 1), repeat=3)]
    return np.asarray(extreme(found, axis=0))


def _second_derivative(
    cell: NDArray[np.float64], beside: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Sample the second derivatives H of psi on a grid, in shells; |H| r³ is 2 nearby and larger where images meet.

    Returns
    -------
    radius : (n,) float64, Å
    largest : (n,) float64, 1/Å³
        |H| beyond the radius.
    largest_of_images : (n,) float64, 1/Å³
        |H| of all images but one within the radius; of the nearest, and any up to `beside` (Å) farther away, the one
        that leaves the most.
    """
    lengths = np.linalg.norm(cell, axis=1)
    grid = np.clip(np.rint(28 * lengths / lengths.max()), 8, 28).astype(int)
    spacing = float((lengths / grid).max())
    alpha = 0.45 / spacing
    volume = float(abs(np.linalg.det(cell)))
    reciprocal = 2.0 * np.pi * np.linalg.inv(cell).T
    integers = np.stack(np.meshgrid(*(np.fft.fftfreq(n, 1 / n) for n in grid), indexing="ij"), axis=-1)
    k = integers @ reciprocal
    square = (k**2).sum(axis=-1)
    square[0, 0, 0] = np.inf
    weight = 4.0 * np.pi / volume * np.exp(-square / (4.0 * alpha**2)) / square
    hessian = np.empty((*grid, 3, 3))
    for i, j in product(range(3), repeat=2):
        hessian[..., i, j] = -fft.ifftn(weight * k[..., i] * k[..., j]).real * math.prod(grid)
    frac = np.stack(np.meshgrid(*(np.fft.fftfreq(n) for n in grid), indexing="ij"), axis=-1)
    nearest = np.full(tuple(grid), np.inf)
    for image in product((-1, 0, 1), repeat=3):
        vector = (frac + np.array(image)) @ cell
        r = np.linalg.norm(vector, axis=-1)
        nearest = np.minimum(nearest, r)
        safe = np.maximum(r, 0.5 * spacing)
        gauss = 2.0 * alpha / np.sqrt(np.pi) * np.exp(-((alpha * safe) ** 2))
        complement = special.erfc(alpha * safe)
        along = 2.0 * complement / safe**3 + 2.0 * gauss / safe**2 + 2.0 * alpha**2 * gauss
        across = -complement / safe**3 - gauss / safe**2
        unit = vector / safe[..., None]
        hessian += across[..., None, None] * np.eye(3)
        hessian += (along - across)[..., None, None] * unit[..., :, None] * unit[..., None, :]
    rest = np.zeros(tuple(grid))
    for image in product((-1, 0, 1), repeat=3):
        vector = (frac + np.array(image)) @ cell
        r = np.linalg.norm(vector, axis=-1)
        one = (r <= nearest + beside) & (r > 0.5 * spacing)
        direction = vector[one] / r[one, None]
        alone = (3.0 * direction[:, :, None] * direction[:, None, :] - np.eye(3)) / r[one, None, None] ** 3
        rest[one] = np.maximum(rest[one], np.abs(np.linalg.eigvalsh(hessian[one] - alone)).max(axis=-1))
    product_r3 = np.abs(np.linalg.eigvalsh(hessian)).max(axis=-1) * nearest**3
    reached = nearest > 2.0 * spacing
    radius = np.geomspace(min(1.0, 0.1 * spacing), float(nearest.max()) + spacing, 200)
    factor, largest_of_images = np.full(len(radius), 2.0), np.empty(len(radius))
    for n, r in enumerate(radius):
        shell = reached & (np.abs(nearest - r) <= spacing)
        factor[n] = max(2.0, _SAFETY * float(product_r3[shell].max(initial=0.0)))
        within = reached & (nearest <= max(r, 2.0 * spacing) + spacing)
        largest_of_images[n] = _SAFETY * float(rest[within].max())
    largest = np.maximum.accumulate((factor / radius**3)[::-1])[::-1]
    return radius, largest, largest_of_images
