"""Rates of single ions multiplied with a factor of the user."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from lattice.network import PoreNetwork
from structures.errors import InputError


def scale_rates(network: PoreNetwork, factors: Mapping[str, float], *, what: str = "factor") -> PoreNetwork:
    """Multiply all rates of some ions; sites, barriers and equilibrium stay as they are.

    Parameters
    ----------
    network : PoreNetwork
    factors : Mapping of str to float
        By species; those that are left out keep their rates. Names of ions without sites are passed over.
    what : str
        Name of the factor, in the line that is added to the provenance.

    Raises
    ------
    InputError
        If a factor is not positive.
    """
    for name, factor in factors.items():
        if not (math.isfinite(factor) and factor > 0):
            raise InputError(f"{what} of {name} must be positive; got {factor}")
    changed = {name: factor for name, factor in factors.items() if factor != 1.0}
    names = [species.name for species in network.species if species.name in changed]
    if not names:
        return network
    log_factor = np.array([math.log(changed.get(species.name, 1.0)) for species in network.species])
    scaled = network.hop_log_conductance + log_factor[network.site_species[network.hop_origin]][:, None]
    said = ", ".join(f"{changed[name]:g} for {name}" for name in names)
    line = f"rates: the prefactors of this network contain the {what}, {said}"
    return replace(network, hop_log_conductance=scaled, provenance=(*network.provenance, line))
