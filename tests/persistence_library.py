"""Sublevel sets of a periodic grid by the library gudhi, and the same numbers from basins and faces."""

import numpy as np

from lattice.basins import find_basins, find_faces, grid_stencil
from lattice.percolation import grid_percolation


def persistence(energy):
    """Births of the essential classes of H1, (3,), and the (birth, death) of the minima that live, lowest death first.

    Points that share a corner touch: the grid points are the voxels of a cubical complex.
    """
    import gudhi

    voxels = gudhi.PeriodicCubicalComplex(top_dimensional_cells=energy, periodic_dimensions=[True] * 3)
    voxels.compute_persistence()
    loops = voxels.persistence_intervals_in_dimension(1)
    minima = voxels.persistence_intervals_in_dimension(0)
    return np.sort(loops[np.isinf(loops[:, 1]), 0]), _ordered(minima[np.isfinite(minima[:, 1])])


def merging_minima(energy, stencil, below):
    """(birth, death) of the minima: where two basins meet, the younger one, with the higher minimum, dies."""
    basins = find_basins(energy, stencil, below=below)
    faces = find_faces(basins, stencil)
    birth = basins.minimum_energy
    elder = np.arange(len(birth))

    def oldest(basin):
        while elder[basin] != basin:
            elder[basin] = elder[elder[basin]]
            basin = elder[basin]
        return basin

    found = []
    for face in np.argsort(faces.energy, kind="stable"):
        a, b = sorted((oldest(faces.a[face]), oldest(faces.b[face])), key=lambda basin: (birth[basin], basin))
        if a != b:
            elder[b] = a
            found.append((birth[b], faces.energy[face]))
    return _ordered(np.array(found).reshape(-1, 2))


def compare_with_library(energy, cell, below):
    """Crossings E_1D, E_2D, E_3D and the persistence of all minima under `below` (eV) are those of the library.

    Returns
    -------
    (3,) float64, eV
        E_1D, E_2D, E_3D.
    n_minima : int
        That live and die.
    """
    stencil = grid_stencil(cell, energy.shape)
    crossings, minima = persistence(energy)
    found = grid_percolation(energy, stencil, below=below)
    np.testing.assert_array_equal(found, np.where(crossings < below, crossings, np.nan))
    minima = minima[minima[:, 1] < below]
    np.testing.assert_array_equal(merging_minima(energy, stencil, below), minima)
    return found, len(minima)


def _ordered(pairs):
    """Pairs of positive persistence, sorted."""
    pairs = pairs[pairs[:, 1] > pairs[:, 0]]
    return pairs[np.lexsort((pairs[:, 0], pairs[:, 1]))]
