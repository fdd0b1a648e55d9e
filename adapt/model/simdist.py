"""The published SimDist world model (arXiv 2603.15759) as a checkpoint of ours.

The checkpoint is an Orbax folder: one OCDBT store of zarr arrays, which tensorstore reads without JAX.
Flax keeps a linear map as kernel (inputs, outputs), attention by head, convolutions as
(rows, columns, inputs, outputs); torch has all of them the other way round.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import yaml
from torch import Tensor

from adapt.errors import UserError
from adapt.model.settings import ModelSettings
from adapt.model.world_model import WorldModel
from adapt.robot.specification import RobotSpecification

Arrays = dict[str, npt.NDArray[np.float32]]
Weights = Iterator[tuple[str, Tensor]]
Take = Callable[[str], Tensor]
"""Gives an array by its published name, once."""
EPSILON = 1e-8
"""SimDist scales by (x - mean) / (std + EPSILON)."""
ACTION_SCALE = 0.25
"""Its action is (target - rest) / ACTION_SCALE; ours is the target, in rad."""

VALUE_HORIZON_S = 2.0
"""Its discount is 0.99 a tick of 20 ms."""


def read_arrays(folder: Path) -> tuple[Arrays, dict[str, Any]]:
    """All float arrays of a published checkpoint by their names, and its configuration.

    Args:
        folder: holds model_config.yaml and one folder named by the training step.

    Raises:
        UserError: tensorstore is not installed, or the folder is not such a checkpoint, or is cut off.
    """
    try:
        import tensorstore
    except ImportError as error:
        raise UserError("reading a SimDist checkpoint needs tensorstore: pip install tensorstore") from error
    config_path = folder / "model_config.yaml"
    if not config_path.is_file():
        raise UserError(f"{config_path}: no such file; give the folder of a published SimDist checkpoint")
    config = yaml.safe_load(config_path.read_text(encoding="utf-8"))
    steps = sorted(each for each in folder.iterdir() if each.name.isdigit())
    if not steps:
        raise UserError(f"{folder}: there is no folder named by a training step in it, such as 367004")
    base = f"file://{(steps[-1] / 'default').resolve()}/"
    try:
        store = tensorstore.KvStore.open({"driver": "ocdbt", "base": base}).result()
        names = [key.decode() for key in store.list().result()]
        arrays: Arrays = {}
        for name in (name.removesuffix("/.zarray") for name in names if name.endswith("/.zarray")):
            location = {"driver": "ocdbt", "base": base, "path": name}
            values = tensorstore.open({"driver": "zarr", "kvstore": location}).result().read().result()
            if values.dtype == np.float32:
                arrays[name] = values
    except ValueError as error:
        reason = str(error).split(" [")[0]
        raise UserError(f"{steps[-1]}: not a whole Orbax checkpoint: {reason}: copy it again") from error
    if not arrays:
        raise UserError(f"{steps[-1]}: not a whole Orbax checkpoint: it holds no arrays: copy it again")
    for name, values in arrays.items():
        if not np.isfinite(values).all():
            raise UserError(f"{steps[-1]}: array '{name}' is not finite: copy the checkpoint again")
    return arrays, config


def published_settings(config: dict[str, Any]) -> ModelSettings:
    """Sizes of the model that a SimDist configuration describes.

    Raises:
        UserError: it describes another architecture.
    """
    try:
        model = config["model"]
        width, attention = model["latent_dim"], model["dynamics"]["attention"]
        network = model["encoder"]["extero_obs"]["height_cnn"]
        return ModelSettings(
            latent=width,
            readable=False,
            encoder_hidden=model["encoder"]["mlp_hidden_size_factor"] * width,
            map_channels=tuple(network["features"]),
            map_hidden=tuple(network["projection_hidden_dims"]),
            layers=attention["layers"],
            policy_layers=model["policy"]["attention"]["layers"],
            score_layers=model["reward"]["attention"]["layers"],
            heads=attention["heads"],
            score_heads=model["reward"]["attention"]["heads"],
            feed_forward=attention["mlp_hidden_size_factor"] * width,
            linear_rank=0,
            value_horizon_s=VALUE_HORIZON_S,
        )
    except (KeyError, TypeError) as error:
        raise UserError(f"model_config.yaml: not a SimDist world model: {error} is missing") from error


def world_model_from(
    arrays: Arrays, settings: ModelSettings, specification: RobotSpecification
) -> WorldModel:
    """Our model with the published weights.

    Raises:
        UserError: an array is missing, left over or of another shape, or the robot does not fit.
    """
    rest = specification.rest_action
    if rest is None:
        raise UserError(
            f"robot '{specification.name}': key 'rest' is missing in action.limits: a SimDist action is "
            "relative to it"
        )
    maps = [key for key, channel in specification.channels.items() if channel.height_map is not None]
    if len(maps) != 1:
        raise UserError(
            f"robot '{specification.name}': a SimDist model reads one height map, not {len(maps)}"
        )
    model = WorldModel(specification, settings)
    unused = dict(arrays)

    def take(name: str) -> Tensor:
        if name not in unused:
            raise UserError(f"the SimDist checkpoint has no array '{name}'")
        return torch.from_numpy(unused.pop(name).copy())

    state = model.state_dict()
    for name, value in (
        *_weights(settings, maps[0], take),
        *_scaling(specification, torch.tensor(rest), take),
    ):
        if name not in state or state[name].shape != value.shape:
            wanted = tuple(state[name].shape) if name in state else "nothing"
            raise UserError(
                f"the SimDist checkpoint's '{name}' has shape {tuple(value.shape)}, wanted is {wanted}: "
                f"is it a model of robot '{specification.name}'?"
            )
        state[name] = value.contiguous()
    if unused:
        raise UserError(f"the SimDist checkpoint has arrays with no place here: {', '.join(sorted(unused))}")
    model.load_state_dict(state)
    return model.eval()


def _weights(settings: ModelSettings, height_map: str, take: Take) -> Weights:
    yield from _perceptron("vector_encoder", "encoder.proprio_obs_proj", 2, take)
    yield from _perceptron("join", "encoder.latent_mlp", 2, take)
    yield from _linear("action_token", "encoder.act_proj.output_layer", take)
    yield "time_code", take("encoder.temporal_enc")
    yield "kind_code", take("encoder.type_enc")
    yield from _map_encoder(f"map_encoders.{height_map}", len(settings.map_channels), take)
    yield from _embedding("dynamics.transformer", "fut_acts_embed", take)
    yield from _decoder_layers("dynamics.transformer", "dynamics", settings.layers, take)
    # The published latents are the last normalisation itself.
    yield "dynamics.transformer.output.weight", torch.eye(settings.latent)
    yield "dynamics.transformer.output.bias", torch.zeros(settings.latent)
    yield from _embedding("policy", "fut_cmds_embed", take)
    yield from _decoder_layers("policy", "policy", settings.policy_layers, take)
    yield from _linear("policy.output", "policy_dec.output_layer", take)
    for name in ("reward", "value"):
        yield from _embedding(f"{name}_head", f"{name}_emb", take)
        for layer in range(settings.score_layers):
            ours, theirs = f"{name}_head.layers.{layer}", f"{name}.layers.{layer}"
            yield from _attention(f"{ours}.attention", f"{theirs}.attention", take)
            yield from _perceptron(f"{ours}.feed_forward", f"{theirs}.dense_proj", 1, take)
            yield from _norms(ours, theirs, 2, take)
        yield from _linear(f"{name}_head.output", f"{name}_dec.output_layer", take)


def _scaling(specification: RobotSpecification, rest: Tensor, take: Take) -> Weights:
    """Their joint angles are relative to the rest pose and their actions scaled; ours are plain angles."""

    def statistics(name: str) -> tuple[Tensor, Tensor]:
        return take(f"scaler.scaler_params.{name}.mean"), take(f"scaler.scaler_params.{name}.std") + EPSILON

    mean, deviation = (torch.zeros(specification.observation_size) for _ in range(2))
    vector = torch.tensor(specification.vector_indices)
    maps = torch.ones(specification.observation_size, dtype=torch.bool)
    maps[vector] = False
    for where, name in ((vector, "proprio_obs"), (maps, "extero_obs")):
        mean[where], deviation[where] = statistics(name)
    joints = specification.channel_slice(specification.action.targets or "")
    mean[joints] += rest
    yield "scaling.observation_mean", mean
    yield "scaling.observation_deviation", deviation
    mean, deviation = statistics("actions")
    yield "scaling.action_mean", rest + ACTION_SCALE * mean
    yield "scaling.action_deviation", ACTION_SCALE * deviation
    for ours, theirs in (("command", "commands"), ("reward", "rewards"), ("value", "values")):
        mean, deviation = statistics(theirs)
        yield f"scaling.{ours}_mean", mean
        yield f"scaling.{ours}_deviation", deviation


def _linear(ours: str, theirs: str, take: Take) -> Weights:
    yield f"{ours}.weight", take(f"{theirs}.kernel").T
    yield f"{ours}.bias", take(f"{theirs}.bias")


def _perceptron(ours: str, theirs: str, hidden: int, take: Take) -> Weights:
    for number in range(hidden):
        yield from _linear(f"{ours}.{2 * number}", f"{theirs}.layers.{number}", take)
    yield from _linear(f"{ours}.{2 * hidden}", f"{theirs}.output_layer", take)


def _embedding(ours: str, theirs: str, take: Take) -> Weights:
    yield from _linear(f"{ours}.embed", f"{theirs}.enc.output_layer", take)
    yield f"{ours}.position", take(f"{theirs}.pos_emb")


def _map_encoder(ours: str, convolutions: int, take: Take) -> Weights:
    theirs = "encoder.hm_enc"
    for number in range(convolutions):
        last = number == convolutions - 1
        name = f"{theirs}.hm_cnn.cnn." + ("output_layer" if last else f"layers.{number}")
        yield f"{ours}.convolutions.{number}.weight", take(f"{name}.kernel").permute(3, 2, 0, 1)
        yield f"{ours}.convolutions.{number}.bias", take(f"{name}.bias")
    yield f"{ours}.column_code", take(f"{theirs}.h_l_conv_enc")
    yield f"{ours}.row_code", take(f"{theirs}.h_w_conv_enc")
    yield from _perceptron(f"{ours}.project", f"{theirs}.hm_proj", 2, take)


def _decoder_layers(ours: str, theirs: str, layers: int, take: Take) -> Weights:
    for number in range(layers):
        own, other = f"{ours}.layers.{number}", f"{theirs}.layers.{number}"
        yield from _attention(f"{own}.self_attention", f"{other}.attention_1", take)
        yield from _attention(f"{own}.context_attention", f"{other}.attention_2", take)
        yield from _perceptron(f"{own}.feed_forward", f"{other}.dense_proj", 1, take)
        yield from _norms(own, other, 3, take)


def _attention(ours: str, theirs: str, take: Take) -> Weights:
    query, key, value = (take(f"{theirs}.{name}.kernel").flatten(1).T for name in ("query", "key", "value"))
    biases = [take(f"{theirs}.{name}.bias").flatten() for name in ("query", "key", "value")]
    yield f"{ours}.query.weight", query
    yield f"{ours}.query.bias", biases[0]
    yield f"{ours}.key_value.weight", torch.cat([key, value])
    yield f"{ours}.key_value.bias", torch.cat(biases[1:])
    yield f"{ours}.output.weight", take(f"{theirs}.out.kernel").flatten(0, 1).T
    yield f"{ours}.output.bias", take(f"{theirs}.out.bias")


def _norms(ours: str, theirs: str, count: int, take: Take) -> Weights:
    for number in range(count):
        yield f"{ours}.norms.{number}.weight", take(f"{theirs}.layernorm_{number + 1}.scale")
        yield f"{ours}.norms.{number}.bias", take(f"{theirs}.layernorm_{number + 1}.bias")
