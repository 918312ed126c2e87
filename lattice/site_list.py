"""A pore network from an explicit list of sites and barriers, for users who know their sites.

Sites are listed once per symmetry orbit and copied by the operations of a space group; a hop rule joins two sites by
their labels, either all pairs within a distance or one pair given with its lattice translation and its copies. Rates
are nu exp(-E_b/kT) with the prefactors given. How such a list is written in a file: lattice/site_list_file.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lattice.exclusions import exclusions
from lattice.graph import directed_hops, edge_copies, species_percolation
from lattice.image_pairs import image_pairs
from lattice.network import ATTEMPT_FREQUENCY, PoreNetwork
from lattice.screening import as_tensor
from lattice.symmetry import SAME_POINT, Action, SpaceGroup, site_action
from lattice.temperatures import temperature_nodes
from structures.crystal import wrap
from structures.errors import InputError
from structures.species import Species
from structures.units import BOLTZMANN

_DISTANCE_ROUNDING = 1e-4  # Å, pairs that much farther than a limit are taken in
_ENERGY_ROUNDING = 1e-9  # eV, by which a saddle may lie below a site that it equals
_MOVED = 0.01  # Å, a longer move onto a special position is printed
_NEAREST_SEARCH = 12.0  # Å
LONGEST_HOP = 20.0  # Å
LARGEST_ENERGY = 1000.0  # eV
MAX_SITES = 3000  # in the cell; their pairs are compared one by one

Link = tuple[int, int, int, int, int]


@dataclass(frozen=True, slots=True)
class ListedSite:
    """One site of every symmetry orbit.

    Attributes
    ----------
    label : str
        Unique in the list.
    species : str
    frac : (float, float, float)
    energy : float, eV

    Raises
    ------
    InputError
        If a number is out of range.
    """

    label: str
    species: str
    frac: tuple[float, float, float]
    energy: float

    def __post_init__(self) -> None:
        if not max(map(abs, self.frac)) <= 1000.0:
            raise InputError(f"site {self.label}: fractional coordinates must be near the cell; got {self.frac}")
        _require_energy(f"site {self.label}: energy", self.energy)


@dataclass(frozen=True, slots=True)
class HopRule:
    """Hops between two kinds of sites.

    Attributes
    ----------
    name : str
        Where the rule stands, for messages.
    ends : (str or None, str or None)
        Labels of the sites; None for any.
    image : (int, int, int), optional
        Joins the first site as listed to the second one as listed in this cell, and all symmetric copies.
    within : (float, float), Å, optional
        Joins all pairs at a distance between these two, both included; either this or an image.
    barrier : float, eV, optional
        From the first end if the labels differ, otherwise from the deeper end; either this or a saddle.
    saddle : float, eV, optional
        On the scale of the site energies.
    prefactor : float, 1/s, optional
        By default the attempt frequency.

    Raises
    ------
    InputError
        If alternatives are both given or both missing, or a number is out of range.
    """

    name: str
    ends: tuple[str | None, str | None] = (None, None)
    image: tuple[int, int, int] | None = None
    within: tuple[float, float] | None = None
    barrier: float | None = None
    saddle: float | None = None
    prefactor: float | None = None

    def __post_init__(self) -> None:
        if (self.image is None) == (self.within is None):
            raise InputError(f"{self.name} must have an image or a distance; got {'both' if self.image else 'neither'}")
        if self.image is not None and None in self.ends:
            raise InputError(f"{self.name} must name both sites beside an image; got {self.ends[0]} and {self.ends[1]}")
        if (self.barrier is None) == (self.saddle is None):
            both = self.barrier is not None
            raise InputError(f"{self.name} must have a barrier or a saddle; got {'both' if both else 'neither'}")
        if self.within is not None and not 0 <= self.within[0] <= self.within[1] <= LONGEST_HOP:
            raise InputError(
                f"{self.name} must have ascending distances up to {LONGEST_HOP:g} Å; "
                f"got {self.within[0]:g} to {self.within[1]:g} Å"
            )
        if self.barrier is not None and self.barrier < 0:
            raise InputError(f"{self.name} must have a barrier that is not negative; got {self.barrier} eV")
        _require_energy(f"{self.name}: energy", self.saddle if self.barrier is None else self.barrier)
        if self.prefactor is not None and not 1e-20 < self.prefactor < 1e20:
            raise InputError(f"{self.name} must have a prefactor between 1e-20 and 1e20 /s; got {self.prefactor:g}")


@dataclass(frozen=True, eq=False, slots=True)
class SiteList:
    """Sites and hops of one cell.

    Attributes
    ----------
    name : str
    source : str
        File, for messages.
    group : SpaceGroup
        Cell and symmetry operations.
    sites : tuple of ListedSite
    hops : tuple of HopRule
    framework_charge : float, e
        Of the cell, to be balanced by the ions.
    framework_symbols : tuple of str
        Atoms of the cell, for pictures; may be empty.
    framework_frac : (n_atoms, 3) float64
    framework_charges : (n_atoms,) float64, e
        Zero where unknown: the site energies are given, nothing is computed from them.
    provenance : tuple of str
    """

    name: str
    source: str
    group: SpaceGroup
    sites: tuple[ListedSite, ...]
    hops: tuple[HopRule, ...]
    framework_charge: float
    framework_symbols: tuple[str, ...]
    framework_frac: NDArray[np.float64]
    framework_charges: NDArray[np.float64]
    provenance: tuple[str, ...]


@dataclass(frozen=True, eq=False, slots=True)
class SiteListSettings:
    """What a list leaves open.

    Attributes
    ----------
    permittivity : float, (3,) or (3, 3) array_like
        eps_r between the ions.
    attempt_frequency : float, 1/s
        That of the runs; prefactors are stored relative to it.
    temperatures : (float, float), K
        Lowest and highest one of the runs.
    of_ions : Mapping of str to float, 1/s
        Attempt frequencies of single ions, by name, where they differ from that of the runs.

    Raises
    ------
    InputError
        If an attempt frequency is not positive.
    """

    permittivity: ArrayLike
    attempt_frequency: float = ATTEMPT_FREQUENCY
    temperatures: tuple[float, float] = (200.0, 500.0)
    of_ions: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for frequency in (self.attempt_frequency, *self.of_ions.values()):
            if not (math.isfinite(frequency) and frequency > 0):
                raise InputError(f"attempt_frequency must be positive; got {frequency}")


@dataclass(frozen=True, eq=False, slots=True)
class _Placed:
    """All sites of the cell, sorted by species."""

    species: NDArray[np.int64]
    frac: NDArray[np.float64]
    energy: NDArray[np.float64]
    orbit: NDArray[np.int64]
    label: tuple[str, ...]
    listed: Mapping[str, tuple[int, NDArray[np.int64]]]  # site and cell of each site as it is listed
    lines: tuple[str, ...]


@dataclass(frozen=True, eq=False, slots=True)
class _Joined:
    """Undirected hops, each once."""

    links: NDArray[np.int64]
    orbit: NDArray[np.int64]
    saddle: NDArray[np.float64]
    log_weight: NDArray[np.float64]


def network_from_sites(
    listed: SiteList, species: Sequence[Species] | Mapping[str, Species], settings: SiteListSettings
) -> PoreNetwork:
    """Network of a list of sites and hops.

    Parameters
    ----------
    listed : SiteList
    species : sequence or mapping of Species
        At least those that the list names; others are left out.
    settings : SiteListSettings

    Returns
    -------
    PoreNetwork
        With the rate model "attempt_frequency". Species in the order of `species`, sites in the order of the list.
        The accessible volume is that of the cell; the sizes of the pores are unknown, nan.

    Raises
    ------
    InputError
        If sites coincide, a label or species is unknown, a rule joins nothing or the same pair as another one, or a
        saddle lies below a site.
    """
    ions = _named_species(listed, list(species.values()) if isinstance(species, Mapping) else list(species))
    placed = _place(listed, ions)
    joined = _join(listed, placed, settings, [ion.name for ion in ions])
    hops = directed_hops(*_columns(joined.links), joined.saddle, joined.orbit)
    radius = np.array([ions[p].contact_radius for p in placed.species])
    a, b, image = exclusions(listed.group.cell, placed.frac, radius)
    nodes = temperature_nodes(*settings.temperatures, 2)
    beta = 1.0 / (BOLTZMANN * nodes)
    return PoreNetwork(
        name=listed.name,
        cell=listed.group.cell,
        framework_symbols=listed.framework_symbols,
        framework_frac=listed.framework_frac,
        framework_charges=listed.framework_charges,
        framework_charge=listed.framework_charge,
        permittivity=as_tensor(settings.permittivity),
        species=tuple(ions),
        site_species=placed.species.astype(np.int32),
        site_frac=placed.frac,
        site_energy=placed.energy,
        site_orbit=placed.orbit.astype(np.int32),
        site_label=placed.label,
        site_width=np.zeros(len(placed.energy)),
        site_overridden=np.zeros(len(placed.energy), bool),
        site_log_partition=-np.outer(placed.energy, beta),
        hop_origin=hops.origin.astype(np.int32),
        hop_target=hops.target.astype(np.int32),
        hop_image=hops.image.astype(np.int32),
        hop_saddle=joined.saddle[hops.edge],
        hop_overridden=np.zeros(len(hops.edge), bool),
        hop_log_conductance=(joined.log_weight[:, None] - np.outer(joined.saddle, beta))[hops.edge],
        hop_orbit=joined.orbit[hops.edge].astype(np.int32),
        hop_reverse=hops.reverse,
        exclusion_a=a,
        exclusion_b=b,
        exclusion_image=image,
        rate_model="attempt_frequency",
        temperatures=nodes,
        percolation=species_percolation(placed.species, _columns(joined.links), joined.saddle, len(ions)),
        accessible_volume=float(abs(np.linalg.det(listed.group.cell))),
        largest_cavity=math.nan,
        limiting_diameter=math.nan,
        provenance=(*listed.provenance, *placed.lines, *_remarks(listed, settings)),
    )


def _require_energy(what: str, energy: float | None) -> None:
    if energy is not None and not abs(energy) <= LARGEST_ENERGY:
        raise InputError(f"{what} must lie within {LARGEST_ENERGY:g} eV of zero; got {energy:g}")


def _named_species(listed: SiteList, species: Sequence[Species]) -> list[Species]:
    known = {ion.name for ion in species}
    for site in listed.sites:
        if site.species not in known:
            raise InputError(
                f"{listed.source}: species of site {site.label} must be one of {', '.join(sorted(known))}; "
                f"got {site.species}"
            )
    named = {site.species for site in listed.sites}
    return [ion for ion in species if ion.name in named]


def _place(listed: SiteList, ions: Sequence[Species]) -> _Placed:
    """Copy every listed site by the operations, after a move onto the special position that it nearly occupies."""
    if not listed.sites:
        raise InputError(f"{listed.source}: sites must hold at least one entry; found none")
    names = [ion.name for ion in ions]
    ordered = sorted(listed.sites, key=lambda site: names.index(site.species))
    frac: list[NDArray[np.float64]] = []
    start: dict[str, tuple[int, NDArray[np.int64]]] = {}
    lines = []
    for site in ordered:
        if site.label in start:
            raise InputError(f"{listed.source}: labels of sites must differ; got {site.label} twice")
        point, copies = listed.group.symmetrise(np.array(site.frac))
        moved = float(listed.group.distance(point - np.array(site.frac)))
        if moved > _MOVED:
            lines.append(f"site {site.label} moved by {moved:.3f} Å onto its special position")
        start[site.label] = (sum(map(len, frac)), np.rint(np.array(site.frac) - point).astype(np.int64))
        frac.append(wrap(copies))
        if sum(map(len, frac)) > MAX_SITES:
            raise InputError(f"{listed.source}: sites of the cell must be at most {MAX_SITES}; got more")
    count = [len(copies) for copies in frac]
    placed = _Placed(
        species=np.repeat([names.index(site.species) for site in ordered], count).astype(np.int64),
        frac=np.concatenate(frac),
        energy=np.repeat([site.energy for site in ordered], count).astype(np.float64),
        orbit=np.repeat(np.arange(len(ordered)), count).astype(np.int64),
        label=tuple(site.label for site, n in zip(ordered, count, strict=True) for _ in range(n)),
        listed=start,
        lines=tuple(lines),
    )
    _refuse_coincidence(listed, placed)
    return placed


def _refuse_coincidence(listed: SiteList, placed: _Placed) -> None:
    links, distance = image_pairs(listed.group.cell, placed.frac, SAME_POINT)
    for (a, b), apart in zip(links[:, :2].tolist(), distance.tolist(), strict=True):
        if placed.species[a] == placed.species[b]:
            raise InputError(
                f"{listed.source}: sites of one species must lie at least {SAME_POINT} Å apart; got {placed.label[a]} "
                f"and {placed.label[b]} {apart:.3f} Å apart (symmetric copies are made by the program)"
            )


def _join(listed: SiteList, placed: _Placed, settings: SiteListSettings, names: Sequence[str]) -> _Joined:
    action = site_action(placed.frac, listed.group)
    owner: dict[Link, HopRule] = {}
    for rule in listed.hops:
        _require_labels(listed, placed, rule)
        found = _pairs_of(listed, placed, rule, action)
        if not found:
            raise InputError(f"{listed.source}: {rule.name} must join two sites; {_nearest(listed, placed, rule)}")
        for link in found:
            if link in owner:
                a, b = link[:2]
                raise InputError(
                    f"{listed.source}: a pair of sites must be joined by one rule; got {placed.label[a]} and "
                    f"{placed.label[b]} in both {owner[link].name} and {rule.name}"
                )
        owner |= dict.fromkeys(found, rule)
    links = sorted(owner)
    orbit = _orbits(listed, links, owner, action)
    saddle = np.array([_saddle(listed, placed, link, owner[link]) for link in links], np.float64)
    usual = [settings.of_ions.get(name, settings.attempt_frequency) for name in names]
    prefactor = np.array([owner[link].prefactor or usual[placed.species[link[0]]] for link in links])
    log_weight = np.log(prefactor / settings.attempt_frequency)
    first = np.unique(orbit, return_index=True)[1]
    rank = np.argsort(np.lexsort((first, np.round(saddle[first], 9))))
    return _Joined(np.array(links, np.int64).reshape(-1, 5), rank[orbit], saddle, log_weight)


def _pairs_of(listed: SiteList, placed: _Placed, rule: HopRule, action: Action) -> list[Link]:
    """Links of one rule, symmetric copies included, each once and oriented."""
    if rule.image is not None:
        (a, cell_a), (b, cell_b) = (placed.listed[str(label)] for label in rule.ends)
        u, v, w = (int(n) for n in np.array(rule.image) + cell_b - cell_a)
        if placed.species[a] != placed.species[b] or (a == b and (u, v, w) == (0, 0, 0)):
            return []
        return sorted(set(_copies(action, (a, b, u, v, w))))
    shortest, longest = rule.within or (0.0, 0.0)
    links, distance = image_pairs(listed.group.cell, placed.frac, longest + _DISTANCE_ROUNDING)
    one, other = links[:, 0], links[:, 1]
    first, second = (np.array([end in (None, label) for label in placed.label], bool) for end in rule.ends)
    fits = (first[one] & second[other]) | (second[one] & first[other])
    fits &= (placed.species[one] == placed.species[other]) & (distance > shortest - _DISTANCE_ROUNDING)
    return [_oriented((i, j, u, v, w)) for i, j, u, v, w in links[fits].tolist()]


def _copies(action: Action, link: Link) -> list[Link]:
    """Oriented images of one link under every operation."""
    a, b, *cell = link
    i, j, image = edge_copies(action, a, b, (cell[0], cell[1], cell[2]))
    return [_oriented((k, m, u, v, w)) for k, m, u, v, w in np.column_stack([i, j, image]).tolist()]


def _oriented(link: Link) -> Link:
    """Return the one of a link and its reverse that has a < b, or a positive image of its own site."""
    a, b, u, v, w = link
    return (b, a, -u, -v, -w) if a > b or (a == b and (u, v, w) < (0, 0, 0)) else link


def _orbits(
    listed: SiteList, links: Sequence[Link], owner: Mapping[Link, HopRule], action: Action
) -> NDArray[np.int64]:
    number = {link: n for n, link in enumerate(links)}
    orbit = np.full(len(links), -1, np.int64)
    for n, link in enumerate(links):
        if orbit[n] >= 0:
            continue
        for image in _copies(action, link):
            copy = number.get(image, -1)
            if copy < 0:
                raise InputError(
                    f"{listed.source}: {owner[link].name} must join all symmetric copies of a pair; its distance limit "
                    f"falls between copies, move it by 0.01 Å"
                )
            orbit[copy] = n
    return np.unique(orbit, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _saddle(listed: SiteList, placed: _Placed, link: Link, rule: HopRule) -> float:
    a, b = link[:2]
    start, end = rule.ends
    if rule.saddle is not None:
        saddle = rule.saddle
    elif start is not None and end is not None and start != end:
        saddle = float(placed.energy[a if placed.label[a] == start else b]) + (rule.barrier or 0.0)
    else:
        saddle = float(min(placed.energy[a], placed.energy[b])) + (rule.barrier or 0.0)
    high = a if placed.energy[a] > placed.energy[b] else b
    if saddle < placed.energy[high] - _ENERGY_ROUNDING:
        raise InputError(
            f"{listed.source}: the saddle of {rule.name} must not lie below a site; got {saddle:.4f} eV and site "
            f"{placed.label[high]} at {placed.energy[high]:.4f} eV"
        )
    return saddle


def _require_labels(listed: SiteList, placed: _Placed, rule: HopRule) -> None:
    for end in rule.ends:
        if end is not None and end not in placed.listed:
            known = ", ".join(placed.listed)
            raise InputError(f"{listed.source}: {rule.name} must join sites among {known}; got {end}")


def _nearest(listed: SiteList, placed: _Placed, rule: HopRule) -> str:
    """Say what a rule that joins nothing could have joined."""
    wide = HopRule(rule.name, rule.ends, within=(0.0, _NEAREST_SEARCH), barrier=0.0)
    links = _pairs_of(listed, placed, wide, site_action(placed.frac, listed.group))
    if rule.image is not None or not links:
        return "got none of one species" if not links else "got a site and itself, or two species"
    rows = np.array(links)
    apart = (placed.frac[rows[:, 1]] + rows[:, 2:] - placed.frac[rows[:, 0]]) @ listed.group.cell
    lengths = np.unique(np.round(np.linalg.norm(apart, axis=1), 3))
    found = ", ".join(f"{length:.3f}" for length in lengths[:4])
    low, high = rule.within or (0.0, 0.0)
    return f"got none at {low:g} to {high:g} Å, the nearest are at {found} Å"


def _columns(links: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Both ends and the images of links (n_links, 5)."""
    return links[:, 0], links[:, 1], links[:, 2:]


def _remarks(listed: SiteList, settings: SiteListSettings) -> tuple[str, ...]:
    of_ions = "".join(f", with nu = {frequency:g} /s for {name}" for name, frequency in settings.of_ions.items())
    return (
        f"sites and hops: {len(listed.sites)} orbits of sites and {len(listed.hops)} rules given in {listed.source}; "
        f"nothing was searched",
        "rates: nu exp(-E_b/kT), prefactors given in 1/s are relative to nu = "
        f"{settings.attempt_frequency:g} /s{of_ions}",
    )
