"""From an exchange fraction or a molarity to whole ions in the supercell."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from lattice.network import PoreNetwork
from runs.deck import Deck, Exchange, Salt
from structures.errors import InputError
from structures.species import Species
from structures.units import IONS_PER_A3_AT_1_MOL_PER_L

_WHOLE = 1e-6  # deviation from an integer that is rounding noise of charges, not a wrong charge


@dataclass(frozen=True, slots=True)
class Loading:
    """One composition of the supercell.

    Attributes
    ----------
    name : str
        "x" for an exchange fraction, "M" for mol/L.
    value : float
        What the whole ions amount to.
    requested : tuple of float
        Values of the deck that round to these ions.
    counts : Mapping of str to int
        Explicit ions by species; a smeared species is left out.
    frozen : tuple of str
        Species that stand still.
    background : Mapping of str to int
        Ions that are part of the uniform background.
    """

    name: str
    value: float
    requested: tuple[float, ...]
    counts: Mapping[str, int]
    frozen: tuple[str, ...]
    background: Mapping[str, int]

    @property
    def mobile(self) -> dict[str, int]:
        """Ions that hop, by species."""
        return {name: count for name, count in self.counts.items() if name not in self.frozen}

    @property
    def key(self) -> str:
        """Text that names this loading in task keys, "x0.5000"."""
        return f"{self.name}{self.value:.4f}"


def loadings(deck: Deck, network: PoreNetwork, further: Sequence[float] = ()) -> tuple[Loading, ...]:
    """Round every loading of the scan, and further ones, to whole ions, in ascending order; equal ones are merged.

    Raises
    ------
    InputError
        If the ions do not balance the framework, a salt rounds to no ion at all, or nothing could move.
    """
    requested = (*deck.scan.requested, *further)
    if isinstance(deck.composition, Exchange):
        total, salt = _exchanged(deck, deck.composition, network)
        rounded = {x: _exchange_counts(deck.composition, round(x * total), total, salt) for x in requested}
        values = {x: round(x * total) / total for x in requested}
        name = "x"
    else:
        species = [_species(network, name) for name in deck.composition.species]
        rounded, values = _salt_counts(deck, deck.composition, network, species, requested)
        name = "M"
    found: dict[float, Loading] = {}
    for asked in sorted(rounded):
        value = values[asked]
        earlier = found[value].requested if value in found else ()
        found[value] = _loading(deck, name, value, (*earlier, asked), rounded[asked])
    for loading in found.values():
        _check(deck, network, loading)
    return tuple(found[value] for value in sorted(found))


def possible_loadings(deck: Deck, network: PoreNetwork) -> tuple[float, ...]:
    """Give every loading that whole ions in the supercell amount to, ascending.

    Those in which nothing moves, or that have more ions than sites, are left out.

    Raises
    ------
    InputError
        If the ions do not balance the framework.
    """
    composition = deck.composition
    if isinstance(composition, Exchange):
        whole, salt = _exchanged(deck, composition, network)
        found = {k / whole: _exchange_counts(composition, k, whole, salt) for k in range(whole + 1)}
    else:
        species = [_species(network, name) for name in composition.species]
        sites = np.bincount(network.site_species, minlength=len(network.species)) * math.prod(deck.lattice.repeats)
        of_name = {ion.name: int(n) for ion, n in zip(network.species, sites, strict=True)}
        per_unit = dict(zip(composition.species, _formula_unit(*species), strict=True))
        most = min(of_name[name] // n for name, n in per_unit.items())
        at_1_molar = _units_at_1_molar(deck, network)
        found = {k / at_1_molar: {name: k * n for name, n in per_unit.items()} for k in range(1, most + 1)}
    values = []
    for value, counts in found.items():
        with suppress(InputError):
            _check(deck, network, _loading(deck, "", value, (), counts))
            values.append(value)
    return tuple(values)


def _units_at_1_molar(deck: Deck, network: PoreNetwork) -> float:
    """Give the formula units in the supercell that amount to 1 mol/L."""
    return network.accessible_volume * math.prod(deck.lattice.repeats) * IONS_PER_A3_AT_1_MOL_PER_L


def _species(network: PoreNetwork, name: str) -> Species:
    for species in network.species:
        if species.name == name:
            return species
    found = ", ".join(species.name for species in network.species)
    raise InputError(f"[structure] sites: expected sites of {name}, found sites of {found}")


def counter_ions(network: PoreNetwork, species: Sequence[Species], repeats: Sequence[int]) -> int:
    """Return the number of counter-ions that make the supercell neutral.

    Raises
    ------
    InputError
        If the framework is neutral, the two ions differ in charge, or no whole number of them balances the framework.
    """
    charge = species[0].charge
    if any(s.charge != charge for s in species):
        both = ", ".join(f"{s.name} {s.charge:+g} e" for s in species)
        raise InputError(f'[composition] kind "exchange": expected two ions of the same charge, found {both}')
    cells = math.prod(repeats)
    framework_charge = network.framework_charge * cells
    total = -framework_charge / charge
    if round(total) < 1:
        raise InputError(
            f'[composition] kind "exchange": expected a framework whose charge {species[0].name} balances, '
            f"found {network.framework_charge:+g} e per cell; give [structure] net_charge or dissolve a salt"
        )
    if abs(total - round(total)) > _WHOLE:
        raise InputError(
            f"[structure] net_charge: expected a framework charge that whole ions of {charge:+g} e balance, found "
            f"{framework_charge:+g} e in {cells} cells"
        )
    return round(total)


def _exchanged(deck: Deck, composition: Exchange, network: PoreNetwork) -> tuple[int, dict[str, int]]:
    """Counter-ions of the supercell, and the ions of the salt that it has taken up."""
    ions = [_species(network, name) for name in (composition.entering, composition.leaving)]
    return counter_ions(network, ions, deck.lattice.repeats), uptake_ions(deck, network)


def _exchange_counts(composition: Exchange, entered: int, total: int, salt: Mapping[str, int]) -> dict[str, int]:
    counts = {composition.entering: entered, composition.leaving: total - entered}
    return counts | {name: counts.get(name, 0) + n for name, n in salt.items()}


def uptake_ions(deck: Deck, network: PoreNetwork) -> dict[str, int]:
    """Ions of the salt that the pores hold besides the counter-ions, whole formula units; empty without an uptake.

    Raises
    ------
    InputError
        If the salt rounds to nothing, or its two ions do not have opposite charges.
    """
    if not isinstance(deck.composition, Exchange) or deck.composition.uptake is None:
        return {}
    uptake, names = deck.composition.uptake, (deck.composition.entering, deck.composition.uptake.anion)
    ions = [_species(network, name) for name in names]
    if ions[0].charge * ions[1].charge > 0:
        both = " and ".join(f"{ion.name} {ion.charge:+g} e" for ion in ions)
        raise InputError(f"[composition] uptake.anion: expected an ion of the opposite charge, found {both}")
    in_supercell = uptake.mol_per_L * _units_at_1_molar(deck, network)
    units = round(in_supercell)
    if units == 0 < uptake.mol_per_L:
        raise InputError(
            f"[composition] uptake.mol_per_L: expected at least one formula unit of salt in the supercell, found "
            f"{in_supercell:.2g}; take more cells, or 0 for none"
        )
    return {name: units * n for name, n in zip(names, _formula_unit(*ions), strict=True)}


def uptake_line(deck: Deck, network: PoreNetwork) -> str:
    """Say how much salt the pores have taken up, and what it is counted in; empty without an uptake."""
    if not isinstance(deck.composition, Exchange) or deck.composition.uptake is None:
        return ""
    counts, asked = uptake_ions(deck, network), deck.composition.uptake.mol_per_L
    ions = [_species(network, name) for name in counts]
    units = min(n // per_unit for n, per_unit in zip(counts.values(), _formula_unit(*ions), strict=True))
    return (
        f"salt taken up: {' and '.join(f'{n} {name}' for name, n in counts.items())} in the supercell besides the "
        f"counter-ions, {units / _units_at_1_molar(deck, network):.3g} mol/L ({asked:g} asked for) of the pore volume "
        "of the empty framework; x counts the counter-ions alone"
    )


def _salt_counts(
    deck: Deck, composition: Salt, network: PoreNetwork, species: Sequence[Species], requested: Sequence[float]
) -> tuple[dict[float, dict[str, int]], dict[float, float]]:
    """Whole formula units of salt in the pore volume that helium can occupy, and the molarity they amount to."""
    if abs(network.framework_charge) > _WHOLE:
        raise InputError(
            f'[composition] kind "salt": expected a neutral framework, found {network.framework_charge:+g} e per cell '
            'that a salt cannot balance; use kind = "exchange" or set [structure] net_charge = 0'
        )
    cation, anion = species
    if not (cation.charge > 0 > anion.charge):
        raise InputError(
            f"[composition] expected a positive cation and a negative anion, found {cation.name} {cation.charge:+g} e "
            f"and {anion.name} {anion.charge:+g} e"
        )
    per_unit = _formula_unit(cation, anion)
    cells = math.prod(deck.lattice.repeats)
    units_at_1_molar = _units_at_1_molar(deck, network)
    counts, values = {}, {}
    for molarity in requested:
        units = round(molarity * units_at_1_molar)
        if units == 0:
            needed = math.ceil(0.5 / (molarity * network.accessible_volume * IONS_PER_A3_AT_1_MOL_PER_L))
            raise InputError(
                f"[scan] molarities_mol_per_L: expected at least one {composition.cation}/{composition.anion} pair in "
                f"the supercell, found {molarity * units_at_1_molar:.2g} pairs at {molarity:g} mol/L in {cells} cells; "
                f"at least {needed} cells are needed"
            )
        counts[molarity] = {name: units * n for name, n in zip(composition.species, per_unit, strict=True)}
        values[molarity] = units / units_at_1_molar
    return counts, values


def _formula_unit(cation: Species, anion: Species) -> tuple[int, int]:
    """Cations and anions in one neutral formula unit of the salt; their charges have opposite signs."""
    plus, minus = round(abs(cation.charge)), round(abs(anion.charge))
    if abs(abs(cation.charge) - plus) > _WHOLE or abs(abs(anion.charge) - minus) > _WHOLE:
        raise InputError(
            f"[composition] expected whole charges in a salt, found {cation.charge:+g} e and {anion.charge:+g} e"
        )
    common = math.gcd(plus, minus)
    return minus // common, plus // common


def _loading(deck: Deck, name: str, value: float, requested: tuple[float, ...], ions: Mapping[str, int]) -> Loading:
    smeared = {s: n for s, n in ions.items() if deck.treatment(s) == "background"}
    return Loading(
        name=name,
        value=value,
        requested=requested,
        counts={s: n for s, n in ions.items() if s not in smeared},
        frozen=tuple(s for s in ions if deck.treatment(s) == "frozen"),
        background=smeared,
    )


def _check(deck: Deck, network: PoreNetwork, loading: Loading) -> None:
    """Refuse a loading in which nothing moves, charges do not add up, or a species has more ions than sites."""
    if not any(loading.mobile.values()):
        raise InputError(
            f"[scan] {loading.name} = {loading.value:g}: expected at least one mobile ion, found none; leave this "
            "loading out or make the other species mobile"
        )
    cells = math.prod(deck.lattice.repeats)
    sites = np.bincount(network.site_species, minlength=len(network.species)) * cells
    charge = network.framework_charge * cells
    for species, n_sites in zip(network.species, sites, strict=True):
        count = loading.counts.get(species.name, 0)
        if count > n_sites:
            raise InputError(
                f"[scan] {loading.name} = {loading.value:g}: expected at most {n_sites} {species.name}, one per site "
                f"of the supercell, found {count}"
            )
        charge += species.charge * (count + loading.background.get(species.name, 0))
    if abs(charge) > _WHOLE * cells:
        raise InputError(f"{loading.name} = {loading.value:g}: expected a neutral supercell, found {charge:+g} e")


def molarity_line(network: PoreNetwork) -> str:
    """Say which volume a molarity refers to."""
    from lattice.cavities import PROBE_RADIUS

    return (
        f"mol/L: per litre of the pore volume that helium can occupy (probe radius {PROBE_RADIUS:g} Å), "
        f"{network.accessible_volume:.0f} Å³ per cell; an ion reaches less of it"
    )


def rounding_remark(loading: Loading) -> str:
    """Say which loadings of the deck became this one, empty if rounding changed nothing."""
    if len(loading.requested) == 1 and abs(loading.requested[0] - loading.value) < _WHOLE:
        return ""
    asked = ", ".join(f"{value:g}" for value in loading.requested)
    return f"asked for {asked}" + ("; computed once" if len(loading.requested) > 1 else "")
