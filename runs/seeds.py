"""The register of random streams: each follows from the deck's seed and a text key alone."""

from __future__ import annotations

import hashlib

import numpy as np


def stream(seed: int, key: str) -> np.random.Generator:
    """Return the generator of one key; threads, order and restarts do not enter.

    Parameters
    ----------
    seed : int
        Of the deck.
    key : str
        Task key such as "x0.5000_T298.15K_r03", or "pilot ..." for the run that sets a task's simulated time.
    """
    digest = hashlib.sha256(key.encode()).digest()
    words = tuple(int(word) for word in np.frombuffer(digest, dtype="<u4"))
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=words)))
