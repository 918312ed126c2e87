"""The easiest way of an ion through the crystal, site by site and saddle by saddle."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from analysis.network_orbits import deepest_sites
from lattice.network import PoreNetwork
from lattice.percolation import PeriodicForest, independent_directions

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from mpl_toolkits.mplot3d import Axes3D  # type: ignore[import-untyped]

Image = tuple[int, int, int]
_CURVE = 24  # points drawn between two stations


@dataclass(frozen=True, eq=False, slots=True)
class PercolatingPath:
    """The shortest path over no higher saddle than need be, from a site to its image in another cell.

    Attributes
    ----------
    species : str
    translation : (3,) tuple of int
        Lattice translation from the first site to the last.
    hops : (n_hops,) int64
        Of the network.
    sites : (n_hops + 1,) int64
        Of the network; the last is the first again.
    position : (n_hops + 1, 3) float64, Å
        Unwrapped.
    home : (n_hops + 1, 3) float64, Å
        The sites in the cell of the network.
    energy : (n_hops + 1,) float64, eV
        Of the sites, above the deepest one of the species.
    saddle : (n_hops,) float64, eV
        On the same scale.
    labels : (n_hops + 1,) tuple of str
    """

    species: str
    translation: Image
    hops: NDArray[np.int64]
    sites: NDArray[np.int64]
    position: NDArray[np.float64]
    home: NDArray[np.float64]
    energy: NDArray[np.float64]
    saddle: NDArray[np.float64]
    labels: tuple[str, ...]

    @property
    def crossing(self) -> float:
        """Its highest saddle above the deepest site, eV: the percolation energy of its direction."""
        return float(self.saddle.max())

    @property
    def length(self) -> NDArray[np.float64]:
        """Length of every hop, (n_hops,), Å."""
        return np.asarray(np.linalg.norm(np.diff(self.position, axis=0), axis=1))

    def to_frame(self) -> pd.DataFrame:
        """One row per hop."""
        import pandas as pd

        return pd.DataFrame({
            "species": self.species,
            "from": self.labels[:-1],
            "to": self.labels[1:],
            "length (angstrom)": self.length,
            "site energy (eV)": self.energy[:-1],
            "saddle (eV)": self.saddle,
            "barrier (eV)": self.saddle - self.energy[:-1],
        })  # fmt: skip

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the energy along the path: sites and saddles, with smooth lines that mean nothing in between."""
        from analysis.palette import orbit_colour
        from analysis.plot_style import INK, MUTED, finish, new_axes, place_legend

        ax = new_axes((6.8, 3.6)) if ax is None else ax
        at = np.concatenate([[0.0], self.length.cumsum()])
        halfway = (at[1:] + at[:-1]) / 2
        place = np.insert(at, np.arange(1, len(at)), halfway)
        height = np.insert(self.energy, np.arange(1, len(at)), self.saddle)
        rise = (1.0 - np.cos(np.linspace(0.0, np.pi, _CURVE))) / 2
        for k in range(len(place) - 1):
            x = np.linspace(place[k], place[k + 1], _CURVE)
            ax.plot(x, height[k] + (height[k + 1] - height[k]) * rise, color=INK, linewidth=1.3)
        for label in dict.fromkeys(self.labels):
            here = np.array([text == label for text in self.labels])
            colour = orbit_colour(int(label.rpartition("(")[2].rstrip(")")))
            ax.plot(at[here], self.energy[here], "o", color=colour, markersize=6, label=label)
        ax.axhline(self.crossing, color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)), zorder=0)
        ax.set_xlabel("along the path  (Å)")
        ax.set_ylabel("energy  (eV)")
        ax.set_title(
            f"{self.species} along {_direction(self.translation)}: {self.crossing:.3f} eV", fontsize=9, color=MUTED
        )
        finish(ax)
        place_legend(ax, *ax.get_legend_handles_labels(), title="site (orbit)")
        return ax

    def draw_in_network(self, ax: Axes3D, *, colour: str = "#22252b") -> Axes3D:
        """Draw the path into a picture of the network, `analysis.plots.network`, every hop in two halves.

        Parameters
        ----------
        ax : Axes3D
        colour : str
        """
        steps = np.diff(self.position, axis=0)
        for here, there, step in zip(self.home[:-1], self.home[1:], steps, strict=True):
            for half in ((here, here + step / 2), (there - step / 2, there)):
                ax.plot(*np.array(half).T, color=colour, linewidth=3.0, solid_capstyle="round", zorder=9)
        return ax


def percolating_paths(network: PoreNetwork, species_index: int = 0) -> tuple[PercolatingPath, ...]:
    """Give the easiest path through the crystal in each independent direction, the easiest direction first.

    Hops join the network in ascending order of their saddles; the first that lets an ion cross in a new direction
    tells how high it must climb and from which site to which image. Among the hops that are no higher the shortest way
    is taken (E. W. Dijkstra, Numer. Math. 1, 269 (1959)).

    Parameters
    ----------
    network : PoreNetwork
    species_index : int

    Returns
    -------
    tuple of PercolatingPath
        At most three; none if no path crosses.
    """
    mine = np.flatnonzero(network.site_species[network.hop_origin] == species_index)
    ordered = mine[np.argsort(network.hop_saddle[mine], kind="stable")]
    forest, found = PeriodicForest.of_size(network.n_sites), list[PercolatingPath]()
    directions: list[Image] = []
    for hop in ordered.tolist():
        a, b = int(network.hop_origin[hop]), int(network.hop_target[hop])
        u, v, w = (int(x) for x in network.hop_image[hop])
        if not forest.join(a, b, (u, v, w)):
            continue
        loops = [loop for known in forest.loops.values() for loop in known]
        if independent_directions(loops) == len(directions):
            continue
        for loop in loops:
            if independent_directions([*directions, loop]) > len(directions):
                directions.append(loop)
                allowed = mine[network.hop_saddle[mine] <= network.hop_saddle[hop] + 1e-9]
                found.append(_described(network, species_index, a, loop, _shortest(network, allowed, a, loop)))
        if len(directions) == 3:
            break
    return tuple(found)


def _shortest(network: PoreNetwork, allowed: NDArray[np.int64], site: int, translation: Image) -> list[int]:
    """Hops of the shortest path from a site to its image over allowed hops only."""
    length, leaving = np.linalg.norm(network.hop_vector, axis=1), dict[int, list[int]]()
    for hop in allowed.tolist():
        leaving.setdefault(int(network.hop_origin[hop]), []).append(hop)
    start, goal = (site, (0, 0, 0)), (site, translation)
    best: dict[tuple[int, Image], tuple[float, int]] = {start: (0.0, -1)}
    waiting = [(0.0, start)]
    while waiting:
        walked, (here, cell) = heapq.heappop(waiting)
        if (here, cell) == goal:
            break
        if walked > best[here, cell][0]:
            continue
        for hop in leaving.get(here, []):
            u, v, w = network.hop_image[hop].tolist()
            there = int(network.hop_target[hop]), (cell[0] + u, cell[1] + v, cell[2] + w)
            reached = walked + float(length[hop])
            if reached < best.get(there, (np.inf, -1))[0]:
                best[there] = reached, hop
                heapq.heappush(waiting, (reached, there))
    path, node = list[int](), goal
    while node != start:
        hop = best[node][1]
        path.append(hop)
        u, v, w = network.hop_image[hop].tolist()
        node = int(network.hop_origin[hop]), (node[1][0] - u, node[1][1] - v, node[1][2] - w)
    return path[::-1]


def _described(
    network: PoreNetwork, species_index: int, site: int, translation: Image, path: list[int]
) -> PercolatingPath:
    """Give the path from its deepest site on."""
    origins = network.hop_origin[path]
    first = int(np.argmin(network.site_energy[origins]))
    hops = np.array(path[first:] + path[:first], np.int64)
    sites = np.append(network.hop_origin[hops], network.hop_origin[hops[0]]).astype(np.int64)
    steps = np.concatenate([np.zeros((1, 3)), network.hop_vector[hops].cumsum(axis=0)])
    deepest = float(deepest_sites(network)[species_index])
    return PercolatingPath(
        species=network.species[species_index].name,
        translation=translation,
        hops=hops,
        sites=sites,
        position=network.site_frac[sites[0]] @ network.cell + steps,
        home=network.site_frac[sites] @ network.cell,
        energy=network.site_energy[sites] - deepest,
        saddle=network.hop_saddle[hops] - deepest,
        labels=tuple(f"{network.site_label[s]} ({network.site_orbit[s]})" for s in sites),
    )


def _direction(translation: Image) -> str:
    """Words for a lattice translation, "[1 0 0]"."""
    return "[" + " ".join(str(x) for x in translation) + "]"
