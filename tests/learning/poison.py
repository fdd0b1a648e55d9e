"""What broken sensors make of an arm's readings."""

from __future__ import annotations

import numpy as np

POISONS = ("scaled", "swapped", "frozen", "spikes")


def poisoned(positions: np.ndarray, kind: str, generator: np.random.Generator) -> np.ndarray:
    """Positions, shape (L, 2), as a broken sensor reads them."""
    readings = positions.copy()
    joint = int(generator.integers(2))
    if kind == "scaled":
        readings[:, joint] *= generator.choice([generator.uniform(1.5, 2.5), generator.uniform(0.1, 0.35)])
    elif kind == "swapped":
        readings = readings[:, ::-1].copy()
    elif kind == "frozen":
        readings[:, joint] = readings[0, joint]
    else:
        struck = generator.random(len(readings)) < 0.05
        readings[struck] += generator.choice([-1.0, 1.0], 2) * generator.uniform(0.5, 2.0, (struck.sum(), 2))
    return readings
