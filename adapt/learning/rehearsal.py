"""The rehearsal set: windows from simulation that keep the dynamics from forgetting it."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load, save

from adapt.errors import UserError
from adapt.files import replacing
from adapt.model.windows import Windows
from adapt.robot.specification import RobotSpecification


def beside(checkpoint: Path) -> Path:
    """Where the rehearsal windows of a checkpoint lie, if it has any."""
    return checkpoint.with_suffix(".rehearsal.safetensors")


def save_windows(path: Path, windows: Windows) -> None:
    """Write windows as one safetensors file, whole or not at all."""
    arrays = {
        "observation": windows.observation.contiguous(),
        "action": windows.action.contiguous(),
        "command": windows.command.contiguous(),
    }
    with replacing(path) as temporary:
        temporary.write_bytes(save(arrays))


def load_windows(path: Path, specification: RobotSpecification) -> Windows:
    """Read windows of a robot, as float32.

    Raises:
        UserError: the file is missing, cut off, of another robot, empty, or holds numbers that are
            not finite.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file: make the rehearsal windows with adapt pretrain")
    try:
        windows = Windows(**load(path.read_bytes()))
    except (SafetensorError, TypeError) as error:
        raise UserError(f"{path}: not a file of windows ({error}): make it again") from error
    length = specification.history_ticks + 1 + specification.horizon_ticks
    expected = {
        "observation": (length, specification.observation_size),
        "action": (length - 1, specification.action_size),
        "command": (length, specification.command_size),
    }
    for name, shape in expected.items():
        values = getattr(windows, name)
        if values.ndim != 3 or tuple(values.shape[1:]) != shape or len(values) == 0:
            raise UserError(
                f"{path}: '{name}' has shape {tuple(values.shape)}, but robot '{specification.name}' needs"
                f" (windows, {shape[0]}, {shape[1]}): use this robot's windows"
            )
        if not values.isfinite().all():
            raise UserError(f"{path}: '{name}' holds numbers that are not finite: make the windows again")
    return Windows(windows.observation.float(), windows.action.float(), windows.command.float())
