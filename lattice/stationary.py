"""From grid candidates to the exact minima and saddle points of the potential, complete under the symmetry.

Only one candidate of every set of symmetric copies is refined; all copies then follow from the operations, so that no
copy is lost to ties on the grid and all have one energy. Which minima a saddle point connects is decided by steepest
descent on the continuous potential, not by the grid.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lattice.basins import Basins, Faces
from lattice.descent import STEP, Potential, descend_to_minima
from lattice.graph import Edges, SiteGraph, edge_copies
from lattice.percolation import PeriodicForest
from lattice.refine import refine
from lattice.symmetry import SAME_POINT, Action, SpaceGroup, complete_orbits, grid_representatives, locate, site_action

MINIMUM_MOVE = 1.5  # grid spacings; a lowest grid point without a minimum so near belongs to another basin
SADDLE_MOVE = 5.0  # grid spacings; what a saddle point connects is found afterwards, so it may lie farther off
KEEP_GRID_SADDLE = 0.05  # eV, least error of a grid saddle; a connection that costs more without it is kept
NEAR = 3.0 * SAME_POINT  # Å, between the end of a descent and the symmetrised minimum that it stands for
Ends = list[tuple[NDArray[np.float64], float]]


@dataclass(frozen=True, eq=False, slots=True)
class SaddleOrbits:
    """One saddle point of each orbit.

    Attributes
    ----------
    frac : (n, 3) float64
    energy : (n,) float64, eV
        Ascending.
    multiplicity : (n,) int64
        Copies in the cell.
    ends : tuple of tuple of 2 lists of (position, share)
        Minima on both sides of each, see `descend_to_minima`; positions are in the frame of `frac`.
    """

    frac: NDArray[np.float64]
    energy: NDArray[np.float64]
    multiplicity: NDArray[np.int64]
    ends: tuple[tuple[Ends, Ends], ...]


@dataclass(frozen=True, eq=False, slots=True)
class Stationary:
    """Network of all minima and saddle points of one species.

    Attributes
    ----------
    graph : SiteGraph
        Its edges hold the logarithm of how many equivalent passages there are; rates come later.
    saddle_frac : (n_levels, 3) float64
        One saddle point of each level.
    saddle_refined : (n_levels,) bool
        False for a contact of the grid that has no saddle point of the continuous potential near it.
    basin_site : (n_basins,) int64
        Site that every basin of the grid belongs to, -1 if none.
    basin_image : (n_basins, 3) int64
        Cell of that site when the basin's lowest grid point is in the home cell.
    notes : tuple of str
    """

    graph: SiteGraph
    saddle_frac: NDArray[np.float64]
    saddle_refined: NDArray[np.bool_]
    basin_site: NDArray[np.int64]
    basin_image: NDArray[np.int64]
    notes: tuple[str, ...]


def find_stationary_points(
    potential: Potential, basins: Basins, faces: Faces, group: SpaceGroup, *, below: float
) -> Stationary:
    """Refine minima and saddle points and connect them.

    Parameters
    ----------
    potential : Potential
    basins, faces : what the grid offers
    group : SpaceGroup
    below : float, eV
        Saddle points above it are left out.
    """
    chosen, belongs = grid_representatives(basins.minima, _shape(basins), group)
    start = basins.frac(basins.minima)
    settled, dissolved = _settle(potential, start[chosen])
    saddles = _find_saddles(potential, basins, faces, group, below)
    reached = [p for pair in saddles.ends for ends in pair for p, _ in ends]
    candidates = np.array([p for p in settled if p is not None] + reached).reshape(-1, 3)
    energy = potential.derivatives(candidates)[0]
    orbits, _ = complete_orbits(candidates[np.argsort(energy, kind="stable")], group)
    site_energy = potential.derivatives(orbits.frac[orbits.representatives])[0][orbits.orbit]
    action = site_action(orbits.frac, group)
    graph = SiteGraph(
        frac=orbits.frac,
        energy=site_energy,
        orbit=orbits.orbit,
        members=tuple(((i, (0, 0, 0)),) for i in range(len(orbits.frac))),
        action=action,
        edges=_edges(saddles, orbits.frac, group, action),
        level_energy=saddles.energy,
        log_partition=np.zeros((len(orbits.frac), 1)),
    )
    basin_site, basin_image = _place_basins(start, settled, chosen, belongs, graph, group)
    lift = _contact_errors(potential, basins.frac(faces.point))
    graph, contacts = _keep_connected(graph, faces, lift, basin_site, basin_image)
    kept = len(contacts)
    notes = [f"minima: {len(orbits.representatives)} orbits, {graph.n_sites} in the cell"]
    if dissolved:
        notes.append(f"minima of the grid that the continuous potential does not have, dissolved: {dissolved} orbits")
    lost = sum(not (one and other) for one, other in saddles.ends)
    if lost:
        notes.append(f"saddle points left out because a descent from them did not converge: {lost} orbits")
    if kept:
        notes.append(f"saddle points that did not refine, kept with the energy of the grid: {kept} orbits")
    saddle_frac = np.concatenate([saddles.frac, basins.frac(faces.point[contacts])])
    refined = np.arange(len(saddle_frac)) < len(saddles.frac)
    return Stationary(graph, saddle_frac, refined, basin_site, basin_image, tuple(notes))


def _shape(basins: Basins) -> tuple[int, int, int]:
    n1, n2, n3 = basins.energy.shape
    return n1, n2, n3


def _settle(potential: Potential, start: NDArray[np.float64]) -> tuple[list[NDArray[np.float64] | None], int]:
    """Minimum below each lowest grid point, unwrapped, None if the descent is lost; and the number without one near."""
    frac, _, ok = refine(potential, start, 0, MINIMUM_MOVE * potential.spacing)
    settled: list[NDArray[np.float64] | None] = list(frac)
    failed = np.flatnonzero(~ok)
    for k, ends in zip(failed, descend_to_minima(potential, start[failed]), strict=True):
        settled[k] = ends[0][0] if ends else None
    return settled, len(failed)


def _find_saddles(potential: Potential, basins: Basins, faces: Faces, group: SpaceGroup, below: float) -> SaddleOrbits:
    """Refine one candidate of each orbit to index 1 and descend to both sides."""
    points = np.unique(faces.point)
    chosen, _ = grid_representatives(points, _shape(basins), group)
    start = basins.frac(points[chosen])
    frac, energy, ok = refine(potential, start, 1, SADDLE_MOVE * potential.spacing)
    ok &= energy < below
    frac = frac[ok][np.argsort(energy[ok], kind="stable")]
    orbits, _ = complete_orbits(frac, group)
    first = orbits.representatives
    multiplicity = np.diff(np.append(first, len(orbits.orbit)))
    frac = orbits.frac[first]
    energy, _, hessian = potential.derivatives(frac)
    curvature, axes = np.linalg.eigh(hessian)
    true = np.flatnonzero((curvature[:, 0] < 0) & (energy < below))
    true = true[np.argsort(energy[true], kind="stable")]
    push = 0.5 * STEP * axes[true, :, 0] @ np.linalg.inv(potential.cell)
    both = descend_to_minima(potential, np.concatenate([frac[true] + push, frac[true] - push]))
    ends = tuple(zip(both[: len(true)], both[len(true) :], strict=True))
    return SaddleOrbits(frac[true], energy[true], multiplicity[true], ends)


def _edges(saddles: SaddleOrbits, sites: NDArray[np.float64], group: SpaceGroup, action: Action) -> Edges:
    """All copies of all connections; each saddle point in the cell counts once, shared if its descent splits."""
    columns: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], int, float]] = []
    for level, (one, other) in enumerate(saddles.ends):
        for p, share_p in one:
            for q, share_q in other:
                index, image = locate(np.array([p, q]), sites, group, within=NEAR)
                if index.min() < 0:
                    continue
                u, v, w = (int(x) for x in image[1] - image[0])
                a, b, copies = edge_copies(action, int(index[0]), int(index[1]), (u, v, w))
                weight = share_p * share_q * float(saddles.multiplicity[level]) / len(group)
                columns.append((a, b, copies, level, weight))
    return _collect(columns)


def _collect(columns: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], int, float]]) -> Edges:
    none = np.zeros(0, np.int64)
    return Edges.collect(
        np.concatenate([none, *(c[0] for c in columns)]),
        np.concatenate([none, *(c[1] for c in columns)]),
        np.concatenate([np.zeros((0, 3), np.int64), *(c[2] for c in columns)]),
        np.concatenate([none, *(np.full(len(c[0]), c[3]) for c in columns)]),
        np.concatenate([np.zeros((0, 1)), *(np.full((len(c[0]), 1), np.log(c[4])) for c in columns)]),
    )


def _place_basins(
    start: NDArray[np.float64],
    settled: list[NDArray[np.float64] | None],
    chosen: NDArray[np.int64],
    belongs: NDArray[np.int64],
    graph: SiteGraph,
    group: SpaceGroup,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Site and its cell for every basin of the grid: those of its representative, moved by the operation between."""
    site = np.full(len(start), -1, np.int64)
    image = np.zeros((len(start), 3), np.int64)
    for k, target in enumerate(belongs):
        end = settled[target]
        if end is None:
            continue
        copies = group.images(start[chosen[target]])
        g = int(group.distance(copies - start[k]).argmin())
        moved = group.rotations[g] @ end + group.translations[g] - np.rint(copies[g] - start[k])
        index, cell = locate(moved[None], graph.frac, group, within=NEAR)
        site[k], image[k] = index[0], cell[0]
    return site, image


def _contact_errors(potential: Potential, frac: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far contacts of the grid may lie below the ridge: half a diagonal down the unstable mode, (n,), eV."""
    softest = np.linalg.eigvalsh(potential.derivatives(frac)[2])[:, 0]
    away = 0.5 * np.sqrt(3.0) * potential.spacing
    return np.asarray(np.maximum(KEEP_GRID_SADDLE, -0.5 * softest * away**2))


def _keep_connected(
    graph: SiteGraph,
    faces: Faces,
    lift: NDArray[np.float64],
    basin_site: NDArray[np.int64],
    basin_image: NDArray[np.int64],
) -> tuple[SiteGraph, NDArray[np.int64]]:
    """Add the faces of the grid without which sites or directions would connect at a higher energy than on the grid.

    Kruskal's algorithm over the refined saddle points and, raised by the error of the grid, the lowest contacts of all
    faces: a contact that still joins two parts or opens a direction is needed, and is added with all its copies.

    Returns
    -------
    graph : SiteGraph
    contacts : (n_added,) int64
        Faces that were added, one for each new level.
    """
    usable = np.flatnonzero(faces.lowest & (basin_site[faces.a] >= 0) & (basin_site[faces.b] >= 0))
    a, b = faces.a[usable], faces.b[usable]
    image = faces.image[usable] + basin_image[b] - basin_image[a]
    energy = np.concatenate([graph.saddle, faces.energy[usable] + lift[usable]])
    forest = PeriodicForest.of_size(graph.n_sites)
    columns, levels, contacts = [], list(graph.level_energy), np.zeros(0, np.int64)
    for n in np.argsort(energy, kind="stable"):
        if n < len(graph.edges):
            u, v, w = (int(x) for x in graph.edges.image[n])
            forest.join(int(graph.edges.a[n]), int(graph.edges.b[n]), (u, v, w))
            continue
        k = n - len(graph.edges)
        u, v, w = (int(x) for x in image[k])
        one, other = int(basin_site[a[k]]), int(basin_site[b[k]])
        if not forest.join(one, other, (u, v, w)):
            continue
        copies = edge_copies(graph.action, one, other, (u, v, w))
        for i, j, (x, y, z) in zip(copies[0].tolist(), copies[1].tolist(), copies[2].tolist(), strict=True):
            forest.join(i, j, (x, y, z))
        unique = Edges.collect(*copies, np.full(len(copies[0]), len(levels)), np.zeros((len(copies[0]), 1)))
        columns.append((unique.a, unique.b, unique.image, len(levels), 1.0))
        levels.append(float(faces.energy[usable[k]]))
        contacts = np.append(contacts, usable[k])
    if not columns:
        return graph, contacts
    return graph.with_edges(graph.edges.plus(_collect(columns)), np.array(levels)), contacts
