"""What a set of weights is named by: the hash of its content. Needs no torch."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from adapt.errors import UserError
from adapt.robot.specification import RobotSpecification

CHECKPOINT_FOLDER = Path(__file__).parent / "checkpoints"
"""Pretrained checkpoints that come with the project, by robot."""
VERSION = re.compile(r"[0-9a-f]{12}")
"""A version's name: anything else is no name of a file."""


def shipped_checkpoint(specification: RobotSpecification) -> Path | None:
    """The pretrained checkpoint that comes with the project for a robot, or None."""
    path = CHECKPOINT_FOLDER / f"{specification.name}.safetensors"
    return path if path.is_file() else None


def hash_of(weights: Mapping[str, npt.NDArray[Any]]) -> str:
    """Name a set of weights by the numbers in it, as float32."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(name.encode())
        digest.update(str(tuple(weights[name].shape)).encode())
        digest.update(np.ascontiguousarray(weights[name], dtype=np.float32).tobytes())
    return digest.hexdigest()[:12]


def version_problem(version: str, store: Path | None, checkpoint: Path | None) -> str | None:
    """Why nothing on disk is known to be this version, or None where its weights are what it is named by.

    Args:
        version: as a planner tells it; it is not trusted to be a name.
        store: a registry, where it lies in a folder of its own; or None.
        checkpoint: the file that a planner begins with; or None.
    """
    if not VERSION.fullmatch(version):
        return f"'{version[:40]}' is no version: a version is named by twelve hexadecimal digits"
    kept = None if store is None else store / "versions" / version / "model.safetensors"
    files = [path for path in (kept, checkpoint) if path is not None and path.is_file()]
    found = []
    for path in files:
        try:
            content = hash_of(_weights(path))
        except UserError as error:
            found.append(str(error))
            continue
        if content == version:
            return None
        found.append(f"{path} holds {content}")
    return f"version {version} was not verified: {'; '.join(found) or 'there is no file of it'}"


def _weights(path: Path) -> dict[str, npt.NDArray[Any]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return dict(load(path.read_bytes()))
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise UserError(f"{path}: not a whole safetensors file ({error}): copy it again") from error
