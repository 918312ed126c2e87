"""Colours that mean the same in every picture of a network: orbits of sites, barriers of hops, elements."""

from __future__ import annotations

import math

from ase.data import atomic_numbers
from ase.data.colors import jmol_colors

# sites: none looks like a barrier
ORBITS = (
    "#2f6db5", "#86b52f", "#8c62c4", "#e58ab8", "#45b3dc", "#8a5a3c",
    "#5b6472", "#c7c13a", "#1f4e79", "#b9a3e3", "#4d7f2a", "#d9a38f",
)  # fmt: skip
BARRIERS = ("#0f9d8a", "#e3a72f", "#cf4a3c", "#611a4c")  # from none to the highest
_LEAST_TOP = 0.05  # eV, so that barriers of nothing have a scale too


def orbit_colour(orbit: int) -> str:
    """Colour of a site orbit as #rrggbb; the colours repeat after a dozen."""
    return ORBITS[orbit % len(ORBITS)]


def element_colour(symbol: str) -> str:
    """Colour of an element as #rrggbb, those of Jmol."""
    red, green, blue = (round(255 * float(x)) for x in jmol_colors[atomic_numbers[symbol]])
    return f"#{red:02x}{green:02x}{blue:02x}"


def barrier_scale(highest: float) -> tuple[float, tuple[float, ...]]:
    """Top of a colour scale that begins at zero and holds the highest barrier, and its three to six ticks, eV."""
    top = max(highest, _LEAST_TOP)
    magnitude = 10.0 ** math.floor(math.log10(top / 5.0))
    step = next(s * magnitude for s in (1.0, 2.0, 5.0, 10.0) if s * magnitude * 5.0 >= top * (1.0 - 1e-9))
    n_steps = math.ceil(top / step - 1e-9)
    return n_steps * step, tuple(k * step for k in range(n_steps + 1))
