"""Analytic landscapes for the tests of the network builder."""

import numpy as np


class Cosines:
    """E = -Σ A_k cos(2 pi m (f_k - shift_k)) in a cubic cell of side `side` Å with m = `periods`.

    Minima at the shift and every 1/m from it, -Σ A; saddle points midway along each axis, 2 A_k above them.
    """

    def __init__(self, amplitude=(1.0, 1.0, 1.0), shift=(0.0, 0.0, 0.0), n=24, side=6.0, periods=1):
        self.amplitude, self.shift = np.array(amplitude), np.array(shift)
        self.cell = side * np.eye(3)
        self.periods, self.wave = periods, 2 * np.pi * periods / side
        frac = np.stack(np.meshgrid(*[np.arange(n) / n] * 3, indexing="ij"), axis=-1)
        self.energy = np.round(self.derivatives(frac.reshape(-1, 3))[0].reshape(n, n, n), 9)
        self.spacing = side / n

    def derivatives(self, frac):
        phase = 2 * np.pi * self.periods * (np.asarray(frac) - self.shift)
        terms = self.amplitude * np.cos(phase)
        hessian = np.zeros((len(phase), 3, 3))
        hessian[:, range(3), range(3)] = self.wave**2 * terms
        return -terms.sum(axis=1), self.wave * self.amplitude * np.sin(phase), hessian


def cubic_group():
    """Return the 48 point operations of a cube."""
    from itertools import permutations, product

    matrices = [np.diag(signs)[list(order)] for order in permutations(range(3)) for signs in product((-1, 1), repeat=3)]
    return np.array(matrices), np.zeros((48, 3))
