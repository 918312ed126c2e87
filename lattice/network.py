"""The pore network of one cell: sites, hops, saddles and exclusions of every species."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from structures.checks import as_array
from structures.species import Species
from structures.units import BOLTZMANN


@dataclass(frozen=True, eq=False, slots=True)
class PoreNetwork:
    """Sites and hops of all species in one cell; every hop has its reverse and shares its saddle.

    Attributes
    ----------
    name : str
    cell : (3, 3) float64, Å
        Lattice vectors in rows.
    framework_charge : float, e
        Net charge of the framework in this cell, to be balanced by the ions.
    permittivity : float
        eps_r the energies were computed with.
    species : tuple of Species
    site_species : (n_sites,) int32
        Index into `species`; sites are sorted by it.
    site_frac : (n_sites, 3) float64, in [0, 1)
    site_energy : (n_sites,) float64, eV
        Energy of the deepest basin of the site.
    site_orbit : (n_sites,) int32
        Symmetry-equivalent sites share one number and one energy; numbered through all species.
    site_label : (n_sites,) tuple of str
    site_width : (n_sites,) float64, Å
        Diameter of the region within 2 kT (300 K) of the minimum; above 5 Å hopping is a coarse picture.
    basin_offset : (n_sites + 1,) int64
        The basins merged into site i are `basin_energy[basin_offset[i]:basin_offset[i + 1]]`.
    basin_energy : (n_basins,) float64, eV
    hop_origin, hop_target : (n_hops,) int32
        Sorted by origin.
    hop_image : (n_hops, 3) int32
        Lattice translation of the target's cell.
    hop_saddle : (n_hops,) float64, eV
        Energy of the transition state on the scale of the site energies.
    hop_weight : (n_hops,) float64
        Factor on the attempt frequency (below one where a symmetric hub was eliminated); the same both ways.
    hop_orbit : (n_hops,) int32
        Symmetry-equivalent hops, taken without direction, share one number.
    hop_reverse : (n_hops,) int64
    exclusion_a, exclusion_b : (n_exclusions,) int32
        Pairs of different sites that cannot be occupied together, stored in both directions.
    exclusion_image : (n_exclusions, 3) int32
        Lattice translation of b's cell.
    percolation : (n_species, 3) float64, eV
        Absolute energies at which a path first crosses the crystal in 1, 2 and 3 independent directions; nan if never.
    accessible_volume : float, Å³
        Pore volume of this cell, see lattice/cavities.py.
    largest_cavity : float, Å
        Diameter of the largest sphere that fits between the atoms.
    provenance : tuple of str
        What was assumed and chosen; one printable line each.

    Raises
    ------
    ValueError
        If a shape is wrong, a number is out of range, a hop and its reverse differ in ends, image, saddle, weight,
        orbit or species, or an exclusion is not stored once in each direction.
    """

    name: str
    cell: NDArray[np.float64]
    framework_charge: float
    permittivity: float
    species: tuple[Species, ...]
    site_species: NDArray[np.int32]
    site_frac: NDArray[np.float64]
    site_energy: NDArray[np.float64]
    site_orbit: NDArray[np.int32]
    site_label: tuple[str, ...]
    site_width: NDArray[np.float64]
    basin_offset: NDArray[np.int64]
    basin_energy: NDArray[np.float64]
    hop_origin: NDArray[np.int32]
    hop_target: NDArray[np.int32]
    hop_image: NDArray[np.int32]
    hop_saddle: NDArray[np.float64]
    hop_weight: NDArray[np.float64]
    hop_orbit: NDArray[np.int32]
    hop_reverse: NDArray[np.int64]
    exclusion_a: NDArray[np.int32]
    exclusion_b: NDArray[np.int32]
    exclusion_image: NDArray[np.int32]
    percolation: NDArray[np.float64]
    accessible_volume: float
    largest_cavity: float
    provenance: tuple[str, ...]

    def __post_init__(self) -> None:
        n_sites, n_hops, n_exclusions = len(self.site_species), len(self.hop_origin), len(self.exclusion_a)
        for name, dtype, shape in (
            ("cell", np.float64, (3, 3)),
            ("site_species", np.int32, (n_sites,)),
            ("site_frac", np.float64, (n_sites, 3)),
            ("site_energy", np.float64, (n_sites,)),
            ("site_orbit", np.int32, (n_sites,)),
            ("site_width", np.float64, (n_sites,)),
            ("basin_offset", np.int64, (n_sites + 1,)),
            ("basin_energy", np.float64, (None,)),
            ("hop_origin", np.int32, (n_hops,)),
            ("hop_target", np.int32, (n_hops,)),
            ("hop_image", np.int32, (n_hops, 3)),
            ("hop_saddle", np.float64, (n_hops,)),
            ("hop_weight", np.float64, (n_hops,)),
            ("hop_orbit", np.int32, (n_hops,)),
            ("hop_reverse", np.int64, (n_hops,)),
            ("exclusion_a", np.int32, (n_exclusions,)),
            ("exclusion_b", np.int32, (n_exclusions,)),
            ("exclusion_image", np.int32, (n_exclusions, 3)),
        ):
            object.__setattr__(self, name, as_array(getattr(self, name), name, dtype, shape))
        percolation = np.array(self.percolation, dtype=np.float64)
        percolation.flags.writeable = False
        object.__setattr__(self, "percolation", percolation)
        if percolation.shape != (len(self.species), 3):
            raise ValueError(f"percolation must have shape {(len(self.species), 3)}; got {percolation.shape}")
        self._check_cell()
        self._check_sites()
        self._check_hops()
        self._check_reverse()
        self._check_exclusions()

    def _check_cell(self) -> None:
        if not abs(np.linalg.det(self.cell)) > 1e-9 * np.linalg.norm(self.cell, axis=1).prod():
            raise ValueError(f"cell must span a volume; got lattice vectors {self.cell.tolist()} in a plane")
        if not (np.isfinite(self.permittivity) and self.permittivity > 0):
            raise ValueError(f"permittivity must be positive; got {self.permittivity}")

    def _check_sites(self) -> None:
        n_sites = self.n_sites
        if len(self.site_label) != n_sites:
            raise ValueError(f"site_label must have length {n_sites}; got {len(self.site_label)}")
        _require_range(self.site_species, "site_species", len(self.species))
        if (np.diff(self.site_species) < 0).any():
            raise ValueError("site_species must be sorted")
        if ((self.site_frac < 0) | (self.site_frac >= 1)).any():
            site = int(np.flatnonzero(((self.site_frac < 0) | (self.site_frac >= 1)).any(axis=1))[0])
            raise ValueError(f"site_frac must lie in [0, 1); got {self.site_frac[site].tolist()} at site {site}")
        offset, n_basins = self.basin_offset, len(self.basin_energy)
        if offset[0] != 0 or offset[-1] != n_basins:
            raise ValueError(f"basin_offset must run from 0 to {n_basins}; got {offset[0]} to {offset[-1]}")
        if (np.diff(offset) < 1).any():
            site = int(np.flatnonzero(np.diff(offset) < 1)[0])
            raise ValueError(f"basin_offset must give every site a basin; got {np.diff(offset)[site]} at site {site}")

    def _check_hops(self) -> None:
        n_hops = len(self.hop_origin)
        _require_range(self.hop_origin, "hop_origin", self.n_sites)
        _require_range(self.hop_target, "hop_target", self.n_sites)
        _require_range(self.hop_reverse, "hop_reverse", n_hops)
        _require_range(self.hop_orbit, "hop_orbit", n_hops)
        if (np.diff(self.hop_origin) < 0).any():
            raise ValueError("hop_origin must be sorted")
        if (self.hop_weight <= 0).any():
            hop = int(self.hop_weight.argmin())
            raise ValueError(f"hop_weight must be positive; got {self.hop_weight[hop]} at hop {hop}")
        nowhere = (self.hop_origin == self.hop_target) & ~self.hop_image.any(axis=1)
        if nowhere.any():
            raise ValueError(
                f"hop_target must be another site or cell; hop {np.flatnonzero(nowhere)[0]} stays in place"
            )

    def _check_reverse(self) -> None:
        back = self.hop_reverse
        same = (
            (self.hop_target[back] == self.hop_origin)
            & (self.hop_target == self.hop_origin[back])
            & (self.hop_image[back] == -self.hop_image).all(axis=1)
            & (self.hop_saddle[back] == self.hop_saddle)
            & (self.hop_weight[back] == self.hop_weight)
            & (self.hop_orbit[back] == self.hop_orbit)
            & (back[back] == np.arange(len(back)))
            & (self.site_species[self.hop_origin] == self.site_species[self.hop_target])
        )
        if not same.all():
            hop = int(np.flatnonzero(~same)[0])
            raise ValueError(
                f"hop {hop} and its reverse {back[hop]} differ in ends, image, saddle, weight, orbit or species"
            )

    def _check_exclusions(self) -> None:
        _require_range(self.exclusion_a, "exclusion_a", self.n_sites)
        _require_range(self.exclusion_b, "exclusion_b", self.n_sites)
        forward = np.column_stack([self.exclusion_a, self.exclusion_b, self.exclusion_image])
        backward = np.column_stack([self.exclusion_b, self.exclusion_a, -self.exclusion_image])
        own = (self.exclusion_a == self.exclusion_b) & ~self.exclusion_image.any(axis=1)
        if own.any():
            raise ValueError(f"exclusions must name two different sites; got site {self.exclusion_a[own][0]} twice")
        both, count = np.unique(np.concatenate([forward, backward]), axis=0, return_counts=True)
        if (count != 2).any():
            a, b, *image = both[count != 2][0].tolist()
            raise ValueError(
                f"exclusions must be stored once in each direction; got another number of sites {a} and {b}, "
                f"image {tuple(image)}"
            )

    @classmethod
    def load(cls, path: str | Path) -> PoreNetwork:
        """Read a network written by `save`.

        Raises
        ------
        ValueError
            If the file is not a network, is of another format, or its content does not match its checksum.
        """
        from lattice.network_file import read_network

        return read_network(Path(path))

    def save(self, path: str | Path) -> None:
        """Write the network to an HDF5 file, replacing it as a whole or not at all."""
        from lattice.network_file import write_network

        write_network(Path(path), self)

    @property
    def content_hash(self) -> str:
        """SHA-256 of everything in the network, in hexadecimal."""
        from lattice.network_file import content_hash

        return content_hash(self)

    @property
    def n_sites(self) -> int:
        """Sites in one cell, all species."""
        return len(self.site_species)

    @property
    def volume(self) -> float:
        """Volume of the cell, Å³."""
        return float(abs(np.linalg.det(self.cell)))

    @property
    def hop_vector(self) -> NDArray[np.float64]:
        """Displacement of every hop, (n_hops, 3), Å."""
        frac = self.site_frac[self.hop_target] + self.hop_image - self.site_frac[self.hop_origin]
        return np.asarray(frac @ self.cell)

    def site_free_energy(self, temperature: float) -> NDArray[np.float64]:
        """Free energy of every site, -kT ln Σ exp(-E_basin/kT), (n_sites,), eV.

        The basins merged into a site are in equilibrium with each other, and all have one attempt frequency.
        """
        kT = BOLTZMANN * temperature
        weight = np.exp(-(self.basin_energy - np.repeat(self.site_energy, np.diff(self.basin_offset))) / kT)
        return np.asarray(self.site_energy - kT * np.log(np.add.reduceat(weight, self.basin_offset[:-1])))


def _require_range(index: NDArray[np.integer], name: str, stop: int) -> None:
    if index.size and not (0 <= index.min() and index.max() < stop):
        where = int(np.flatnonzero((index < 0) | (index >= stop))[0])
        raise ValueError(f"{name} must lie in [0, {stop}); got {index[where]} at index {where}")
