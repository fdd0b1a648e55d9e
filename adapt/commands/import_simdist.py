"""`adapt import-simdist`: bring SimDist's published Go2 model along."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from adapt.commands import output
from adapt.errors import UserError

PARITY = 1e-4
"""Largest difference, relative to an output's range, that counts as the same model."""


def import_simdist(
    checkpoint: Annotated[
        Path, typer.Argument(help="Folder of the published checkpoint (model_config.yaml and Orbax data).")
    ],
    robot: output.RobotName = "go2",
    out: Annotated[
        Path | None, typer.Option(help="Checkpoint to write (.safetensors). [default: <robot>.safetensors]")
    ] = None,
    parity: Annotated[
        Path | None, typer.Option(help="Recorded inputs and outputs (.npz) to compare with.")
    ] = None,
    json: output.Json = False,
) -> None:
    """Read a published SimDist world model, write it as a checkpoint of ours, and check it."""
    import torch

    from adapt.model.checkpoint import content_hash, load_checkpoint, save_checkpoint
    from adapt.model.simdist import published_settings, read_arrays, world_model_from
    from adapt.model.simdist_parity import max_relative_error
    from adapt.robot.load import load_robot

    torch.set_num_threads(1)
    specification = load_robot(robot)
    path = out or Path(f"{specification.name}.safetensors")
    arrays, configuration = read_arrays(checkpoint)
    model = world_model_from(arrays, published_settings(configuration), specification)
    errors = {} if parity is None else max_relative_error(parity, model, specification)
    failed = [name for name, error in errors.items() if not error <= PARITY]
    console = output.console()
    if errors:
        table = output.table("largest difference from the recording", "output", ">max_relative_error")
        for name, error in errors.items():
            table.add_row(name, f"{error:.1e}", style="red" if name in failed else "")
        console.print(table)
    if failed:
        raise UserError(
            f"{checkpoint}: {', '.join(failed)} differ by more than {PARITY:g} of their range from {parity}: "
            "nothing was written; these were not recorded with this checkpoint"
        )
    lineage = {
        "source": f"SimDist (arXiv 2603.15759), run {configuration.get('run_name', 'without a name')}",
        "arrays_hash": content_hash({name: torch.from_numpy(each) for name, each in arrays.items()}),
        "max_relative_error": errors,
    }
    card = save_checkpoint(path, model, specification, lineage=lineage)
    load_checkpoint(path, specification)
    parameters = sum(weight.numel() for weight in model.parameters())
    output.finish(
        {"version": card.version, "path": str(path), "parameters": parameters, "max_relative_error": errors},
        json,
        f"version {card.version}, {parameters:,} parameters, written to {path}",
    )
