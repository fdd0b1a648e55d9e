"""Shards: HDF5 files of whole episodes, read in place without being loaded.

The layout, also told in docs/data.md, for any HDF5 reader:

    /                       attributes robot, schema_hash, rate_hz, shard, seed
    /observation/<channel>  (episodes, ticks, entries); of a height map float16, else float32
    /action, /expert_action (episodes, ticks, A)
    /command                (episodes, ticks, C)
    /reward                 (episodes, ticks)

Every array has the attributes `names` and `units`. Arrays are contiguous and little-endian, so that a
window of an episode is one slice of the mapped file.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from adapt.errors import UserError
from adapt.robot.specification import RobotSpecification
from adapt.sim.data import Dataset

CLOCK = "clock"


def observation_parts(spec: RobotSpecification) -> dict[str, slice]:
    """Where each channel lies within the observation; the clock, which is no channel, last."""
    parts = {name: spec.channel_slice(name) for name in spec.channels}
    if spec.clock_period_s is not None:
        parts[CLOCK] = slice(spec.observation_size - 2, spec.observation_size)
    return parts


def pack(dataset: Dataset, spec: RobotSpecification, number: int, seed: int) -> bytes:
    """The content of a shard's file; the same data give the same bytes."""
    names, units = spec.observation_names, spec.observation_units
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.attrs.update(
            robot=spec.name, schema_hash=spec.schema_hash, rate_hz=spec.rate_hz, shard=number, seed=seed
        )

        def write(name: str, values: Any, entries: Any, entry_units: Any, kind: str = "<f4") -> None:
            array = file.create_dataset(name, data=values.astype(kind))
            array.attrs["names"], array.attrs["units"] = list(entries), list(entry_units)

        for key, part in observation_parts(spec).items():
            is_map = key in spec.channels and spec.channels[key].height_map is not None
            values = dataset.observation[:, :, part]
            entries = [name.rpartition("/")[2] for name in names[part]]
            write(f"observation/{key}", values, entries, units[part], "<f2" if is_map else "<f4")
        for name in ("action", "expert_action"):
            write(name, getattr(dataset, name), spec.action.entries, [spec.action.unit] * spec.action_size)
        command = spec.task.command
        write("command", dataset.command, command.names, command.name_units)
        write("reward", dataset.reward, ["reward"], ["1"])
    return buffer.getvalue()


def map_arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    """All arrays of a shard by their name in the file, mapped and not loaded.

    Raises:
        UserError: the file is missing, cut off, or not a shard.
    """
    found: dict[str, npt.NDArray[Any]] = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            offset = item.id.get_offset()
            found[name] = np.memmap(path, item.dtype, "r", offset, item.shape)

    try:
        with h5py.File(path, "r") as file:
            file.visititems(visit)
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{path}: not a shard ({error}): delete it and run adapt pretrain again") from error
    return found
