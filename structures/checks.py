"""Shape and type of arrays at the door of a dataclass: one function, one error text."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray


def as_array(value: ArrayLike, name: str, dtype: DTypeLike, shape: tuple[int | None, ...]) -> NDArray[Any]:
    """Return `value` as a read-only array of the given type and shape.

    Parameters
    ----------
    value : array_like
    name : str
        What the user would call it; it opens the error message.
    dtype : data type
    shape : tuple of int or None
        None stands for any length.

    Raises
    ------
    ValueError
        If the shape differs, with both shapes in the message, or if a float is not finite.
    """
    array = np.array(value, dtype=dtype, order="C")
    matches = array.ndim == len(shape) and all(
        want is None or want == have for want, have in zip(shape, array.shape, strict=True)
    )
    if not matches:
        wanted = tuple("any" if n is None else n for n in shape)
        raise ValueError(f"{name} must have shape {wanted}; got {array.shape}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise ValueError(f"{name} must be finite; got {array[where]} at index {where}")
    array.flags.writeable = False
    return array
