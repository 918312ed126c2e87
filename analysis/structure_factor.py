"""Structure factor of the ions, S(k) = <|Σ exp(-i k·r)|²> / N, and whether a superlattice peak stands out of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from analysis.frames import Trajectory, same_kind
from analysis.radial_distribution import evenly
from structures.errors import InputError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

BY_CHANCE = 0.01  # probability of a peak as high as the highest without any order
ORDERED = 0.5  # order parameter; two equal sublattices then hold ions in the ratio 3 to 1
FRAMES_AT_ONCE = 64
MOST_FRAMES = 200  # of each replica, evenly spaced


@dataclass(frozen=True, eq=False, slots=True)
class StructureFactor:
    """S(k) at the wave vectors of the supercell that are none of the crystal.

    Those of the crystal are left out: sites give peaks there whatever the ions do. Half of the wave vectors are kept,
    as S(-k) = S(k).

    Attributes
    ----------
    species : str
    n_ions : int
    repeats : (int, int, int)
        Cells of the crystal in the supercell.
    index : (n_k, 3) int64
        Of the wave vectors, in reciprocal vectors of the supercell.
    wave_number : (n_k,) float64, 1/Å
    replica : (n_replicas, n_k) float64
        S(k), mean over the frames of each replica.
    """

    species: str
    n_ions: int
    repeats: tuple[int, int, int]
    index: NDArray[np.int64]
    wave_number: NDArray[np.float64]
    replica: NDArray[np.float64]

    @property
    def value(self) -> NDArray[np.float64]:
        """S(k), mean over replicas, (n_k,)."""
        return np.asarray(self.replica.mean(axis=0))

    @property
    def peak(self) -> int:
        """Index of the largest S(k)."""
        return int(self.value.argmax())

    @property
    def peak_vector(self) -> tuple[float, float, float]:
        """Wave vector of the largest S(k) in reciprocal vectors of the crystal."""
        h, k, l = (float(i / n) for i, n in zip(self.index[self.peak], self.repeats, strict=True))  # noqa: E741
        return h, k, l

    @property
    def contrast(self) -> float:
        """Largest S(k) over the mean over k, which order does not change (sum rule)."""
        return float(self.value.max() / self.value.mean())

    @property
    def order_parameter(self) -> float:
        """Root of S(k)/N at the peak: 1 if all ions are in phase."""
        return float(np.sqrt(self.value.max() / self.n_ions))

    @property
    def chance(self) -> float:
        """Probability of such a contrast without order, at most.

        |Σ exp(-i k·r)|² of ions placed at random is distributed exponentially; every replica counts as one frame, the
        number of wave vectors as that of independent ones.
        """
        n_replicas, n_k = self.replica.shape
        return float(min(1.0, n_k * stats.gamma.sf(self.contrast * n_replicas, n_replicas)))

    @property
    def ordered(self) -> bool:
        """Tell whether the peak is no chance and holds a quarter of what full order would give."""
        return self.chance < BY_CHANCE and self.order_parameter > ORDERED

    def to_frame(self) -> pd.DataFrame:
        """One row per wave vector, the highest first."""
        import pandas as pd

        rational = self.index / np.array(self.repeats)
        table = pd.DataFrame(rational, columns=["h", "k", "l"])
        table["k (1/A)"], table["S(k)"] = self.wave_number, self.value
        return table.sort_values("S(k)", ascending=False, ignore_index=True)

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw S(k) against the wave number; the level of full order is the number of ions."""
        from analysis.plot_style import INK, MUTED, finish, new_axes

        ax = new_axes((6.0, 4.0)) if ax is None else ax
        ax.plot(self.wave_number, self.value, "o", color=INK, markersize=3.5)
        ax.axhline(float(self.value.mean()), color=MUTED, linewidth=0.9)
        name = ", ".join(f"{component:.3g}" for component in self.peak_vector)
        ax.annotate(f"({name})", (self.wave_number[self.peak], self.value.max()), fontsize=8, color=INK)
        ax.set(xlabel="|k|  (1/Å)", ylabel=f"S(k) of {self.species}")
        finish(ax)
        return ax


def structure_factor(
    trajectories: Sequence[Trajectory], species: str, *, repeats: tuple[int, int, int] | None = None
) -> StructureFactor:
    """Average S(k) over the frames of replicas.

    Parameters
    ----------
    trajectories : sequence of Trajectory
        Replicas of one loading and temperature.
    species : str
    repeats : (int, int, int), optional
        Cells of the crystal in the supercell, where the trajectory does not know.

    Raises
    ------
    InputError
        If there is no ion of the species or no frame, or the supercell is one cell of the crystal.
    """
    first = same_kind(trajectories)
    n_cells = first.repeats if repeats is None else repeats
    if species not in first.species_names:
        raise InputError(f"species: expected one of {', '.join(first.species_names)}; found {species!r}")
    mine = first.ion_species == first.species_names.index(species)
    if not mine.any() or any(t.n_frames == 0 for t in trajectories):
        raise InputError(f"{first.name}: expected frames with ions of {species}; found none")
    index = _superlattice_vectors(n_cells)
    if not len(index):
        raise InputError(f"{first.name}: expected a supercell of several cells; found one, which shows no superlattice")
    inverse = np.linalg.inv(first.cell)
    replica = []
    for trajectory in trajectories:
        total, chosen, seen = np.zeros(len(index)), evenly(trajectory.n_frames, MOST_FRAMES), 0
        for positions in trajectory.blocks(FRAMES_AT_ONCE):
            here = [k - seen for k in chosen if seen <= k < seen + len(positions)]
            total += _square_sums(positions[here][:, mine] @ inverse, index) if here else 0.0
            seen += len(positions)
        replica.append(total / (len(chosen) * mine.sum()))
    return StructureFactor(
        species=species,
        n_ions=int(mine.sum()),
        repeats=n_cells,
        index=index,
        wave_number=2 * np.pi * np.linalg.norm(index @ inverse.T, axis=1),
        replica=np.array(replica),
    )


def _superlattice_vectors(repeats: tuple[int, int, int]) -> NDArray[np.int64]:
    """Wave vectors up to one reciprocal vector of the crystal along each axis, one of each ±k, none of the crystal."""
    axes = [np.arange(-n, n + 1) for n in repeats]
    index = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    of_crystal = (index % np.array(repeats) == 0).all(axis=1)
    h, k, l = index.T  # noqa: E741
    first = (h > 0) | ((h == 0) & (k > 0)) | ((h == 0) & (k == 0) & (l > 0))
    return np.asarray(index[first & ~of_crystal], np.int64)


def _square_sums(frac: NDArray[np.float64], index: NDArray[np.int64]) -> NDArray[np.float64]:
    """Sum over frames of |Σ exp(-2πi h·f)|² of fractional positions (n_frames, n_ions, 3), (n_k,)."""
    top = np.abs(index).max(axis=0)
    phases = [np.exp(-2j * np.pi * np.arange(-n, n + 1) * frac[..., axis, None]) for axis, n in enumerate(top)]
    plane = phases[0][..., :, None] * phases[1][..., None, :]
    n_frames, n_ions = frac.shape[:2]
    sums = plane.reshape(n_frames, n_ions, -1).transpose(0, 2, 1) @ phases[2]
    squares = (np.abs(sums) ** 2).sum(axis=0).reshape(2 * top + 1)
    return np.asarray(squares[tuple((index + top).T)])
