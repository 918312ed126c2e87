"""Screening of Coulomb energies by a relative permittivity, a number or a tensor.

In a medium of permittivity tensor eps the potential of a unit charge solves ∇·(eps ∇φ) = -4π δ(r). In the coordinates
r' = eps^(-1/2) r it is the one of vacuum, φ(r) = det(eps)^(-1/2) / |r'|, and the same holds for the charge with all its
periodic images and the uniform background: φ(r) = det(eps)^(-1/2) psi'(r') with psi' the potential in the cell whose
lattice vectors are transformed in the same way.
L. D. Landau and E. M. Lifshitz, Electrodynamics of Continuous Media, 2nd ed. (1984), § 13.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from structures.errors import InputError
from structures.framework import Framework

LARGEST = 1e4  # eps_r beyond it is a misprint: strontium titanate near 0 K has 2e4, electrolytes have less than 200
_ROUNDING = 1e-9
_SAME_TENSOR = 1e-6


def as_tensor(permittivity: ArrayLike) -> NDArray[np.float64]:
    """Permittivity tensor of a number, three principal values along x, y, z, or a symmetric matrix.

    Parameters
    ----------
    permittivity : float, (3,) or (3, 3) array_like
        Cartesian; x along the lattice vector a, b in the xy plane for the cells that this program makes.

    Returns
    -------
    (3, 3) float64, read-only

    Raises
    ------
    InputError
        If the shape is another, the matrix is not symmetric, or an eigenvalue lies outside [1, 10000].
    """
    try:
        value = np.array(permittivity, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"permittivity must be 1, 3 or 3x3 numbers; got {permittivity!r}") from error
    if value.shape not in ((), (3,), (3, 3)):
        raise InputError(f"permittivity must be 1, 3 or 3x3 numbers; got an array of shape {value.shape}")
    if not np.isfinite(value).all():
        raise InputError(f"permittivity must be finite; got {value.tolist()}")
    tensor = value.copy() if value.ndim == 2 else np.diag(np.broadcast_to(value, 3).astype(np.float64))
    skew = np.abs(tensor - tensor.T)
    if skew.max() > _ROUNDING * np.abs(tensor).max():
        i, j = (int(k) for k in np.unravel_index(skew.argmax(), skew.shape))
        raise InputError(
            f"permittivity must be a symmetric tensor; got {tensor[i, j]:g} in row {i + 1}, column {j + 1} and "
            f"{tensor[j, i]:g} in row {j + 1}, column {i + 1}"
        )
    tensor = 0.5 * (tensor + tensor.T)
    eigenvalues = np.linalg.eigvalsh(tensor)
    if not (eigenvalues[0] >= 1.0 - _ROUNDING and eigenvalues[-1] <= LARGEST * (1.0 + _ROUNDING)):
        found = f"{value:g}" if value.ndim == 0 else f"principal values {', '.join(f'{e:g}' for e in eigenvalues)}"
        raise InputError(f"permittivity must lie between 1 and {LARGEST:g} in every direction; got {found}")
    tensor.flags.writeable = False
    return tensor


def is_isotropic(tensor: NDArray[np.float64]) -> bool:
    """Whether a permittivity tensor (3, 3) is a number times the unit matrix."""
    return bool(np.allclose(tensor, np.eye(3) * tensor[0, 0], rtol=0.0, atol=_ROUNDING * abs(tensor[0, 0])))


def describe(permittivity: ArrayLike) -> str:
    """Short text of a permittivity: "10", "diag(10, 10, 5)" or all rows of the tensor."""
    tensor = as_tensor(permittivity)
    if is_isotropic(tensor):
        return f"{tensor[0, 0]:g}"
    if not (tensor - np.diag(np.diag(tensor))).any():
        return f"diag({', '.join(f'{value:g}' for value in np.diag(tensor))})"
    return f"[{', '.join('[' + ', '.join(f'{value:g}' for value in row) + ']' for row in tensor)}]"


def screened_cell(cell: NDArray[np.float64], permittivity: ArrayLike) -> NDArray[np.float64]:
    """Lattice vectors in rows in the coordinates eps^(-1/2) r, (3, 3), Å."""
    return np.asarray(cell @ _power(permittivity, -0.5))


def unscreened(permittivity: ArrayLike) -> NDArray[np.float64]:
    """Matrix eps^(1/2), (3, 3): rows of screened coordinates times it are the real ones."""
    return _power(permittivity, 0.5)


def screening_factor(permittivity: ArrayLike) -> float:
    """Factor det(eps)^(-1/2) between the potential in the medium and the one in the screened cell."""
    return float(1.0 / np.sqrt(np.linalg.det(as_tensor(permittivity))))


def screened_inverse(vector: NDArray[np.float64], permittivity: ArrayLike) -> NDArray[np.float64]:
    """Potential of a unit charge without images at the given places, (m, 3) Å to (m,) 1/Å."""
    distance = np.linalg.norm(vector @ _power(permittivity, -0.5), axis=-1)
    return np.asarray(screening_factor(permittivity) / distance)


def symmetry_in_medium(framework: Framework, permittivity: ArrayLike) -> Framework:
    """Leave out the operations that do not keep the permittivity tensor: they are no symmetry of an ion's energy.

    What was left out is added to the provenance.
    """
    tensor = as_tensor(permittivity)
    axes = np.linalg.inv(framework.cell.T)
    turned = framework.cell.T @ framework.rotations @ axes
    change = np.linalg.norm(turned @ tensor @ turned.transpose(0, 2, 1) - tensor, axis=(1, 2))
    keeps = change < _SAME_TENSOR * np.linalg.norm(tensor)
    if keeps.all():
        return framework
    line = (
        f"symmetry: {int(keeps.sum())} of {len(keeps)} operations of the framework keep eps_r {describe(tensor)}; the "
        "others are not used"
    )
    return replace(
        framework,
        rotations=framework.rotations[keeps],
        translations=framework.translations[keeps],
        provenance=(*framework.provenance, line),
    )


def _power(permittivity: ArrayLike, exponent: float) -> NDArray[np.float64]:
    """Power of the symmetric tensor; exactly diagonal for a diagonal one."""
    tensor = as_tensor(permittivity)
    if not (tensor - np.diag(np.diag(tensor))).any():
        return np.asarray(np.diag(np.diag(tensor) ** exponent))
    values, vectors = np.linalg.eigh(tensor)
    return np.asarray((vectors * values**exponent) @ vectors.T)
