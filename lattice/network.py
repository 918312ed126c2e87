"""The pore network of one cell: sites, hops, saddles and exclusions of every species."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lattice.rate_models import RATE_MODELS
from lattice.screening import as_tensor
from lattice.temperatures import interpolate
from structures.checks import as_array
from structures.species import Species
from structures.units import BOLTZMANN

ATTEMPT_FREQUENCY = 1e12  # 1/s, the usual guess for an ion in a solid where the landscape is not asked


class Rates(NamedTuple):
    """Thermodynamics and kinetics of a lone ion at one temperature.

    The rate constant of a hop is k_ij = prefactor_ij · exp(-(saddle - energy_i) / kT) with the energies of the network.

    Attributes
    ----------
    free_energy : (n_sites,) float64, eV
        -kT ln Z.
    prefactor : (n_hops,) float64
        In 1/s, or in units of the attempt frequency if the network's rates are relative to one.
    constant : (n_hops,) float64
        k_ij in the same unit.
    """

    free_energy: NDArray[np.float64]
    prefactor: NDArray[np.float64]
    constant: NDArray[np.float64]


@dataclass(frozen=True, eq=False, slots=True)
class PoreNetwork:
    """Sites and hops of all species in one cell; every hop has its reverse and shares its saddle.

    The rate constants of a lone ion follow from the partition functions Z_i of the sites and the conductances of the
    hops C_ij = Z_i k_ij = C_ji, so that detailed balance holds at every temperature.

    Attributes
    ----------
    name : str
    cell : (3, 3) float64, Å
        Lattice vectors in rows.
    framework_symbols : (n_atoms,) tuple of str
    framework_frac : (n_atoms, 3) float64
    framework_charges : (n_atoms,) float64, e
    framework_charge : float, e
        Net charge of the framework in this cell, to be balanced by the ions.
    permittivity : (3, 3) float64
        Tensor eps_r that the energies were computed with.
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
    site_overridden : (n_sites,) bool
        Energies that the user gave.
    site_log_partition : (n_sites, n_temperatures) float64
        ln Z at `temperatures`. For rates from the landscape Z is the integral of exp(-E/kT) over all basins of the
        site in Å³, otherwise the sum over their minima.
    hop_origin, hop_target : (n_hops,) int32
        Sorted by origin.
    hop_image : (n_hops, 3) int32
        Lattice translation of the target's cell.
    hop_saddle : (n_hops,) float64, eV
        Energy of the transition state on the scale of the site energies.
    hop_overridden : (n_hops,) bool
        Barriers or prefactors that the user gave.
    hop_log_conductance : (n_hops, n_temperatures) float64
        ln C at `temperatures`, in Å³/s or in units of the attempt frequency.
    hop_orbit : (n_hops,) int32
        Symmetry-equivalent hops, taken without direction, share one number.
    hop_reverse : (n_hops,) int64
    exclusion_a, exclusion_b : (n_exclusions,) int32
        Pairs of different sites that cannot be occupied together, stored in both directions.
    exclusion_image : (n_exclusions, 3) int32
        Lattice translation of b's cell.
    rate_model : str
        "flux_tst" or "harmonic_tst": rates from the landscape, in 1/s; "attempt_frequency": relative to one.
    temperatures : (n_temperatures,) float64, K
        Ascending; rates are known from the first to the last one.
    percolation : (n_species, 3) float64, eV
        Absolute energies at which a path first crosses the crystal in 1, 2 and 3 independent directions; nan if never.
    accessible_volume : float, Å³
        Pore volume of this cell, see lattice/cavities.py.
    largest_cavity : float, Å
        Diameter of the largest sphere that fits between the atoms.
    limiting_diameter : float, Å
        Diameter of the largest sphere that can cross the crystal; nan if unknown.
    provenance : tuple of str
        What was assumed and chosen; one printable line each.

    Raises
    ------
    ValueError
        If a shape is wrong, a number is out of range, a hop and its reverse differ in ends, image, saddle,
        conductance, orbit or species, or an exclusion is not stored once in each direction.
    """

    name: str
    cell: NDArray[np.float64]
    framework_symbols: tuple[str, ...]
    framework_frac: NDArray[np.float64]
    framework_charges: NDArray[np.float64]
    framework_charge: float
    permittivity: NDArray[np.float64]
    species: tuple[Species, ...]
    site_species: NDArray[np.int32]
    site_frac: NDArray[np.float64]
    site_energy: NDArray[np.float64]
    site_orbit: NDArray[np.int32]
    site_label: tuple[str, ...]
    site_width: NDArray[np.float64]
    site_overridden: NDArray[np.bool_]
    site_log_partition: NDArray[np.float64]
    hop_origin: NDArray[np.int32]
    hop_target: NDArray[np.int32]
    hop_image: NDArray[np.int32]
    hop_saddle: NDArray[np.float64]
    hop_overridden: NDArray[np.bool_]
    hop_log_conductance: NDArray[np.float64]
    hop_orbit: NDArray[np.int32]
    hop_reverse: NDArray[np.int64]
    exclusion_a: NDArray[np.int32]
    exclusion_b: NDArray[np.int32]
    exclusion_image: NDArray[np.int32]
    rate_model: str
    temperatures: NDArray[np.float64]
    percolation: NDArray[np.float64]
    accessible_volume: float
    largest_cavity: float
    limiting_diameter: float
    provenance: tuple[str, ...]

    def __post_init__(self) -> None:
        n_sites, n_hops, n_exclusions = len(self.site_species), len(self.hop_origin), len(self.exclusion_a)
        n_atoms, n_temperatures = len(self.framework_symbols), len(self.temperatures)
        object.__setattr__(self, "permittivity", as_tensor(self.permittivity))
        for name, dtype, shape in (
            ("cell", np.float64, (3, 3)),
            ("framework_frac", np.float64, (n_atoms, 3)),
            ("framework_charges", np.float64, (n_atoms,)),
            ("temperatures", np.float64, (n_temperatures,)),
            ("site_species", np.int32, (n_sites,)),
            ("site_frac", np.float64, (n_sites, 3)),
            ("site_energy", np.float64, (n_sites,)),
            ("site_orbit", np.int32, (n_sites,)),
            ("site_width", np.float64, (n_sites,)),
            ("site_overridden", np.bool_, (n_sites,)),
            ("site_log_partition", np.float64, (n_sites, n_temperatures)),
            ("hop_origin", np.int32, (n_hops,)),
            ("hop_target", np.int32, (n_hops,)),
            ("hop_image", np.int32, (n_hops, 3)),
            ("hop_saddle", np.float64, (n_hops,)),
            ("hop_overridden", np.bool_, (n_hops,)),
            ("hop_log_conductance", np.float64, (n_hops, n_temperatures)),
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
        if self.rate_model not in RATE_MODELS:
            raise ValueError(f"rate_model must be one of {', '.join(RATE_MODELS)}; got {self.rate_model}")
        if not (len(self.temperatures) and self.temperatures[0] > 0 and (np.diff(self.temperatures) > 0).all()):
            raise ValueError(f"temperatures must be positive and ascending; got {self.temperatures.tolist()}")

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

    def _check_hops(self) -> None:
        n_hops = len(self.hop_origin)
        _require_range(self.hop_origin, "hop_origin", self.n_sites)
        _require_range(self.hop_target, "hop_target", self.n_sites)
        _require_range(self.hop_reverse, "hop_reverse", n_hops)
        _require_range(self.hop_orbit, "hop_orbit", n_hops)
        if (np.diff(self.hop_origin) < 0).any():
            raise ValueError("hop_origin must be sorted")
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
            & (self.hop_log_conductance[back] == self.hop_log_conductance).all(axis=1)
            & (self.hop_orbit[back] == self.hop_orbit)
            & (back[back] == np.arange(len(back)))
            & (self.site_species[self.hop_origin] == self.site_species[self.hop_target])
        )
        if not same.all():
            hop = int(np.flatnonzero(~same)[0])
            raise ValueError(
                f"hop {hop} and its reverse {back[hop]} differ in ends, image, saddle, conductance, orbit or species"
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
    def rate_factor(self) -> float:
        """What the rates are multiplied with unless something else is asked for: 1, or 1e12 /s if they are relative."""
        return ATTEMPT_FREQUENCY if self.rate_model == "attempt_frequency" else 1.0

    @property
    def hop_vector(self) -> NDArray[np.float64]:
        """Displacement of every hop, (n_hops, 3), Å."""
        frac = self.site_frac[self.hop_target] + self.hop_image - self.site_frac[self.hop_origin]
        return np.asarray(frac @ self.cell)

    def rates(self, temperature: float) -> Rates:
        """Free energies and prefactors of a lone ion at one temperature.

        Raises
        ------
        ValueError
            If the temperature is outside the range of `temperatures`.
        """
        kT = BOLTZMANN * temperature
        log_partition = interpolate(self.temperatures, self.site_log_partition, temperature)
        log_rate = (
            interpolate(self.temperatures, self.hop_log_conductance, temperature) - log_partition[self.hop_origin]
        )
        barrier = self.hop_saddle - self.site_energy[self.hop_origin]
        return Rates(-kT * log_partition, np.exp(log_rate + barrier / kT), np.exp(log_rate))


def _require_range(index: NDArray[np.integer], name: str, stop: int) -> None:
    if index.size and not (0 <= index.min() and index.max() < stop):
        where = int(np.flatnonzero((index < 0) | (index >= stop))[0])
        raise ValueError(f"{name} must lie in [0, {stop}); got {index[where]} at index {where}")
