"""Paths of two species of opposite charge whose Onsager coefficients are known."""

from __future__ import annotations

import numpy as np

from analysis.displacements import Displacements

# <ΔP_i ΔP_j> / 2t of the charge displacements along one axis, e² Å² per step; P = q R
L_TRUE = np.array([[2.0, -0.6], [-0.6, 1.0]])
COUNT = np.array([8, 8])
CHARGE = np.array([1.0, -1.0])
D_TRUE = np.array([0.4, 0.2])  # Å² per step
STEP = 1e-9
LAGS = np.unique(np.round(np.geomspace(1, 128, 30)).astype(int))


def correlated(
    run: int, *, n_replicas: int = 4, n_steps: int = 500, jitter: float = 0.0, scale: float = 1.0
) -> Displacements:
    """Normal steps of covariance 2 `L_TRUE`, and a to-and-fro shift of variance `jitter` e² Å².

    Every ion has D* of its species: its displacement is a share of that of the species, plus a walk of its own that
    sums to zero over the species.
    """
    rng = np.random.default_rng([61, run])
    root = np.linalg.cholesky(2 * L_TRUE)
    collective, msd = [], []
    for _ in range(n_replicas):
        steps = np.einsum("ij,tjd->tid", root, rng.normal(size=(n_steps, 2, 3))) * scale
        charge = np.concatenate([np.zeros((1, 2, 3)), np.cumsum(steps, axis=0)])
        shift = rng.choice([-1.0, 1.0], size=charge.shape) * np.sqrt(jitter)
        displacement = (charge + shift - shift[0]) / CHARGE[:, None]
        collective.append(displacement)
        squares = np.zeros((len(LAGS), 2, 3))
        for k, (n, D) in enumerate(zip(COUNT, D_TRUE, strict=True)):
            own = 2 * D * scale**2 - 2 * L_TRUE[k, k] * scale**2 / n**2  # variance that the common share leaves
            walks = rng.normal(size=(n, n_steps, 3)) * np.sqrt(own * n / (n - 1))
            walks -= walks.mean(axis=0)
            paths = np.concatenate([np.zeros((n, 1, 3)), np.cumsum(walks, axis=1)], axis=1)
            paths = paths + displacement[:, k] / n
            squares[:, k] = [((paths[:, lag:] - paths[:, :-lag]) ** 2).mean(axis=(0, 1)) for lag in LAGS]
        msd.append(squares)
    time = STEP * np.arange(n_steps + 1)
    return Displacements(
        species_names=("A", "B"),
        charge=CHARGE,
        count=COUNT,
        mobile=np.ones(2, bool),
        volume=2.0e4,
        temperature=300.0,
        time=(time,) * n_replicas,
        collective=tuple(collective),
        lag=(STEP * LAGS,) * n_replicas,
        msd=tuple(msd),
        blocked=(False,) * n_replicas,
        cell=None,
        field=np.zeros(3),
        label="pair",
    )
