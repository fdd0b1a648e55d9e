"""Checkpoints: weights as safetensors, and a JSON card that says what they are and where they come from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from adapt import __version__
from adapt.errors import UserError
from adapt.files import replacing, write_text
from adapt.model.content import CHECKPOINT_FOLDER, hash_of
from adapt.model.settings import ModelSettings
from adapt.model.world_model import WorldModel
from adapt.robot.specification import RobotSpecification
from adapt.settings import Settings, first_problem


class Card(Settings):
    """What is known of a set of weights."""

    version: str
    """Hash of the content of the weights: the name of this version everywhere."""
    robot: str
    schema_hash: str
    code_version: str
    settings: ModelSettings
    parent: str | None = None
    lineage: dict[str, Any] = {}
    """How the weights came about: data, seed, ranges, segments, evidence."""
    acts_at_once: bool = False
    """It was made for a robot file with `dead_time_ticks: 0`; under a dead time its policy may fall."""


def content_hash(state: dict[str, Tensor]) -> str:
    """Name a set of weights by the numbers in it, as float32; see `adapt.model.content`."""
    return hash_of({name: weight.detach().float().cpu().numpy() for name, weight in state.items()})


def save_checkpoint(
    path: Path,
    model: WorldModel,
    specification: RobotSpecification,
    parent: str | None = None,
    lineage: dict[str, Any] | None = None,
) -> Card:
    """Write `path` (.safetensors) and the card beside it (.json), each whole or not at all.

    Raises:
        UserError: a weight is not finite; nothing is written.
    """
    state = model.state_dict()
    for name, weight in state.items():
        if not torch.isfinite(weight).all():
            raise UserError(f"{path}: weight '{name}' is not finite; the checkpoint was not written")
    card = Card(
        version=content_hash(state),
        robot=specification.name,
        schema_hash=specification.schema_hash,
        code_version=__version__,
        settings=model.settings,
        parent=parent,
        lineage=lineage or {},
        acts_at_once=specification.dead_time_ticks == 0,
    )
    with replacing(path) as temporary:
        temporary.write_bytes(save({name: weight.contiguous() for name, weight in state.items()}))
    write_text(path.with_suffix(".json"), card.model_dump_json(indent=2) + "\n")
    return card


def load_card(path: Path) -> Card:
    """Read the card that lies beside `path`.

    Raises:
        UserError: it is missing or not a card; the message names the key and what was expected.
    """
    card_path = path.with_suffix(".json")
    if not card_path.is_file():
        raise UserError(f"{card_path}: no such file; a checkpoint is a .safetensors file and its .json card")
    try:
        content = json.loads(card_path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
        return Card.model_validate(content)
    except ValidationError as error:
        raise UserError(f"{card_path}: not a checkpoint card: {first_problem(error)}") from error
    except ValueError as error:
        raise UserError(f"{card_path}: not a checkpoint card: not JSON ({error}): restore it") from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} where a number was expected")


def load_weights(path: Path) -> tuple[dict[str, Tensor], Card]:
    """Read weights and card of any robot, and check that they are whole, finite and belong together.

    Raises:
        UserError: a file is missing or cut off, a weight is not finite, or the weights are not those of
            the card.
    """
    card = load_card(path)
    try:
        state = load(path.read_bytes())
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except SafetensorError as error:
        raise UserError(f"{path}: not a whole safetensors file ({error}): copy it again") from error
    for name, weight in state.items():
        if broken := int((~torch.isfinite(weight)).sum()):
            raise UserError(
                f"{path}: weight '{name}' is not finite in {broken} of {weight.numel()} places: "
                "restore the file"
            )
    if (found := content_hash(state)) != card.version:
        raise UserError(
            f"{path}: the weights are not those of the card: their content is {found}, "
            f"the card's version is {card.version}: restore both files from one copy"
        )
    return state, card


def load_checkpoint(path: Path, specification: RobotSpecification) -> tuple[WorldModel, Card]:
    """Read a world model, in evaluation mode.

    Raises:
        UserError: as of `load_weights`; or the card is of another robot schema, or the weights do not
            fit the model that the card describes.
    """
    card = load_card(path)
    if card.schema_hash != specification.schema_hash:
        raise UserError(
            f"{path}: made for robot '{card.robot}' with schema {card.schema_hash}, but "
            f"'{specification.name}' has schema {specification.schema_hash}: use this robot's checkpoint "
            "or pretrain one"
        )
    state, card = load_weights(path)
    model = WorldModel(specification, card.settings)
    if misfit := _misfit(state, model.state_dict()):
        raise UserError(
            f"{path}: the weights do not fit this code (they were made with version {card.code_version}): "
            f"{misfit}: pretrain again, or use the code that made them"
        )
    model.load_state_dict(state)
    return model.eval(), card


def _misfit(state: dict[str, Tensor], expected: dict[str, Tensor]) -> str:
    """The first weight that is not as expected; empty where all are."""
    for name in sorted({*state, *expected}):
        if name not in state or name not in expected:
            return f"weight '{name}' is {'missing' if name in expected else 'not known'}"
        if state[name].shape != expected[name].shape:
            shape, wanted = tuple(state[name].shape), tuple(expected[name].shape)
            return f"weight '{name}' has shape {shape} where {wanted} was expected"
    return ""


def shipped_checkpoint(specification: RobotSpecification) -> Path:
    """The pretrained checkpoint that comes with the project for a robot.

    Raises:
        UserError: there is none.
    """
    path = CHECKPOINT_FOLDER / f"{specification.name}.safetensors"
    if not path.is_file():
        raise UserError(
            f"{path}: no checkpoint comes with robot '{specification.name}': run adapt pretrain, or give one "
            "with --checkpoint"
        )
    return path
