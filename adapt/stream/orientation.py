"""Gravity as the body feels it, from orientation quaternions x, y, z, w (body to world) and back."""

from __future__ import annotations

import numpy as np

from adapt.stream.tick import FloatArray


def gravity_of(quaternion: FloatArray) -> FloatArray:
    """The direction of gravity in the body frame, shape (3,), of unit length: 0, 0, -1 when upright.

    Args:
        quaternion: x, y, z, w, shape (4,), of any length: drivers round.

    Returns:
        NaN where the quaternion is zero or not finite, and so no rotation.
    """
    x, y, z, w = _unit(quaternion)
    return np.array([2 * (w * y - x * z), -2 * (y * z + w * x), x * x + y * y - z * z - w * w])


def orientation_of(gravity: FloatArray) -> FloatArray:
    """The shortest rotation from upright under which gravity is felt so: x, y, z, w, shape (4,).

    Gravity says nothing of the yaw.

    Args:
        gravity: in the body frame, shape (3,), of any length above 0.

    Returns:
        NaN where gravity is zero or not finite, and so no direction.
    """
    x, y, z = -_unit(gravity)
    # 1 + z, in a form that keeps its digits near upside down, where it vanishes.
    lift = 1 + z if z > 0 else (x * x + y * y) / (1 - z)
    # Upside down every horizontal axis will do.
    return _unit(np.array([y, -x, 0.0, lift] if x or y or z > 0 else [1.0, 0.0, 0.0, 0.0]))


def _unit(vector: FloatArray) -> FloatArray:
    """By the largest first, since the squares of what is huge or tiny leave the range of a double."""
    largest = np.abs(vector).max()
    if not (np.isfinite(largest) and largest > 0):
        return np.full(vector.shape, np.nan)
    scaled = vector / largest
    return np.asarray(scaled / np.sqrt(scaled @ scaled), dtype=np.float64)
