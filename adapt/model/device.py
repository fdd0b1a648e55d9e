"""Where the model runs: said in the configuration, never chosen in silence."""

from __future__ import annotations

import torch

from adapt.errors import UserError


def choose_device(name: str) -> torch.device:
    """The device that a configuration asks for: cpu, cuda or cuda:N.

    Raises:
        UserError: the name is unknown, or this build of torch or this machine has no such device.
    """
    if name == "cpu":
        return torch.device("cpu")
    kind, colon, number = name.partition(":")
    if kind != "cuda" or (colon and not number.isdigit()):
        raise UserError(f"key 'device': '{name}' is not cpu, cuda or cuda:N")
    if torch.version.cuda is None:
        raise UserError(
            f"key 'device': {name} was asked for, but torch {torch.__version__} is a CPU build: install the "
            "CUDA build for this machine (on a Jetson: NVIDIA's own wheel), or set device: cpu"
        )
    if int(number or 0) >= torch.cuda.device_count():
        raise UserError(
            f"key 'device': {name} was asked for, but torch sees {torch.cuda.device_count()} GPUs: "
            "check the driver, or set device: cpu"
        )
    return torch.device(name)
