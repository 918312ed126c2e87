"""Displacements of known spectrum: a random walk and bounded to-and-fro motions that forget exponentially."""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

from analysis.displacements import Displacements

VOLUME, TEMPERATURE = 2.0e4, 300.0  # Å³, K


def gaussian_path(rng, n_steps, step, *, diffusion, amplitude=(), rate=()):
    """One path (n_steps + 1, 3) of M(t) = 2 K t + Σ a (1 - exp(-λ t)) per component, from 0."""
    path = np.concatenate([np.zeros((1, 3)), np.cumsum(rng.normal(size=(n_steps, 3)), axis=0)])
    path *= np.sqrt(2 * diffusion * step)
    for a, decay in zip(amplitude, np.exp(-np.asarray(rate) * step), strict=True):
        noise = rng.normal(size=path.shape) * np.sqrt(a / 2)
        noise[1:] *= np.sqrt(1 - decay**2)
        path += lfilter([1.0], [1.0, -decay], noise, axis=0)
    return path - path[0]


def displacements(paths, step, *, charge=1.0, field=(0.0, 0.0, 0.0), blocked=None):
    """Collective displacements of one species as the estimators take them; `step` in s, one or one per path."""
    steps = np.broadcast_to(step, len(paths))
    return Displacements(
        species_names=("Li+",),
        charge=np.array([charge]),
        count=np.array([8]),
        mobile=np.array([True]),
        volume=VOLUME,
        temperature=TEMPERATURE,
        time=tuple(dt * np.arange(len(path)) for dt, path in zip(steps, paths, strict=True)),
        collective=tuple(path[:, None, :] for path in paths),
        lag=tuple(np.array([dt]) for dt in steps),
        msd=tuple(np.zeros((1, 1, 3)) for _ in paths),
        blocked=tuple(blocked or [False] * len(paths)),
        cell=None,
        field=np.array(field),
        label="x = 0.5, 300 K",
    )
