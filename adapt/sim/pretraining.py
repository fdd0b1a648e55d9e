"""Pretraining: a world model learns from simulated robots what a real one may be like."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from adapt.errors import UserError
from adapt.model.settings import ModelSettings
from adapt.model.windows import Windows
from adapt.model.world_model import WorldModel
from adapt.settings import Settings
from adapt.sim.resumption import load_state, save_state
from adapt.sim.sampling import SEEN_HORIZONS, Episodes, Examples, Sampler

REPORT_EVERY = 250
"""Steps between two points of the curve."""
SAVE_EVERY = 200
"""Steps between two states on disk: under half a minute is lost with a kill."""
SCALED_BY = 4096
"""Windows from which the scaling is taken; a third of a gigabyte of Go2's height maps."""
MEASURED_ON = 1024
"""Windows of unseen robots for each point of the curve."""


class PretrainingSettings(Settings):
    """How much, and how fast."""

    episodes: int = Field(default=4096, gt=1)
    """Simulated robots, each with an episode of its own."""
    episode_s: float = Field(default=10.0, gt=0)
    steps: int = Field(default=8000, gt=1)
    batch: int = Field(default=256, gt=0)
    learning_rate: float = Field(default=2e-3, gt=0)
    weight_decay: float = Field(default=1e-4, ge=0)
    policy_weight: float = Field(default=0.2, ge=0)
    score_weight: float = Field(default=0.1, ge=0)
    """Of the reward head's loss, and of the value head's."""
    clip: float = Field(default=1.0, gt=0)
    """Largest norm of a gradient."""
    held_out: float = Field(default=0.05, gt=0, lt=1)
    """Share of the simulated robots that are only measured on."""
    rehearsal: int = Field(default=1024, gt=0)
    """Windows kept beside the checkpoint, against forgetting on the robot."""


class Training:
    """One training, from its first step or from where its state on disk ends.

    The same arguments and number of threads give the same weights bit for bit, however often it was
    interrupted.
    """

    def __init__(
        self, data: Episodes, model_settings: ModelSettings, settings: PretrainingSettings, seed: int
    ) -> None:
        """Begin a training; `seed` is of the weights and of the order of the data."""
        self.settings = settings
        self.step = 0
        self.curve: list[dict[str, float]] = []
        torch.manual_seed(seed)
        self._generator = torch.Generator().manual_seed(seed)
        held_out = max(1, int(len(data) * settings.held_out))
        horizon_s = model_settings.value_horizon_s
        self._sampler = Sampler(data, range(held_out, len(data)), horizon_s)
        self._unseen = Sampler(data, range(held_out), horizon_s).draw(MEASURED_ON, self._generator)
        self.model = WorldModel(data.specification, model_settings)
        seen = self._sampler.draw(SCALED_BY, self._generator)
        if not seen.known.any():
            raise UserError(
                f"no return is known in episodes of {data.ticks} ticks: make them longer than "
                f"{SEEN_HORIZONS * horizon_s:g} s by --episode-s, or model.value_horizon_s shorter"
            )
        self.model.scaling.fit(seen.windows, data.specification.history_ticks)
        self.model.scaling.fit_scores(seen.reward, seen.returns[seen.known])
        self._optimiser = torch.optim.AdamW(
            self.model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(
            self._optimiser,
            settings.learning_rate,
            total_steps=settings.steps,
            pct_start=max(0.05, 1.5 / settings.steps),  # torch divides by the steps of the rise, less one
        )

    def state(self) -> dict[str, Any]:
        """Everything that the steps to come depend on; tensors and plain values."""
        return {
            "step": self.step,
            "curve": self.curve,
            "model": self.model.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "schedule": self._schedule.state_dict(),
            "generator": self._generator.get_state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave."""
        self.step, self.curve = state["step"], state["curve"]
        self.model.load_state_dict(state["model"])
        self._optimiser.load_state_dict(state["optimiser"])
        self._schedule.load_state_dict(state["schedule"])
        self._generator.set_state(state["generator"])

    def advance(self) -> None:
        """Make one step.

        Raises:
            FloatingPointError: the loss or its gradient is not finite; the weights are as before.
        """
        parts = losses(self.model, self._sampler.draw(self.settings.batch, self._generator))
        loss = parts.total(self.settings)
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip)
        if not math.isfinite(loss.item()) or not math.isfinite(norm.item()):
            raise FloatingPointError(f"loss {loss.item()}, norm of its gradient {norm.item()}")
        self._optimiser.step()
        self._schedule.step()
        self.step += 1
        if self.step % REPORT_EVERY == 0 or self.step == self.settings.steps:
            self.curve.append(self._measure(loss.item()))

    def _measure(self, training_loss: float) -> dict[str, float]:
        with torch.no_grad():
            parts = losses(self.model, self._unseen)
            error = _root_mean_square(self.model, self._unseen.windows)
        return {
            "step": self.step,
            "training_loss": training_loss,
            **{f"{name}_loss": part.item() for name, part in parts._asdict().items()},
            "open_loop_rmse": error,
        }


def pretrain(
    data: Episodes,
    data_hash: str,
    model_settings: ModelSettings,
    settings: PretrainingSettings,
    seed: int,
    state_path: Path,
    progress: Callable[[int, list[dict[str, float]]], None] = lambda step, curve: None,
    save_every: int = SAVE_EVERY,
) -> tuple[WorldModel, list[dict[str, float]]]:
    """Train a world model on simulated robots, going on from `state_path` where that is there.

    Args:
        data: simulated robots.
        data_hash: names the data.
        model_settings: sizes of the model.
        settings: length and rate of the training.
        seed: of the weights and of the order of the data.
        state_path: where the unfinished training is kept; left there at the end, for the caller to
            remove once the weights are safe.
        progress: told the step and the curve so far, after every step.
        save_every: steps between two states on disk.

    Returns:
        the model in evaluation mode, and the curve.

    Raises:
        UserError: the state is damaged or of another training; or a number is not finite.
    """
    origin = {
        "robot": data.specification.name,
        "schema_hash": data.specification.schema_hash,
        "data_hash": data_hash,
        "model_settings": model_settings.model_dump(mode="json"),
        "settings": settings.model_dump(mode="json"),
        "seed": seed,
        "threads": torch.get_num_threads(),
    }
    found = load_state(state_path, origin)
    training = Training(data, model_settings, settings, seed)
    if found is not None:
        training.restore(found)
    good = training.step
    while training.step < settings.steps:
        progress(training.step, training.curve)
        try:
            training.advance()
            if training.step % save_every == 0 or training.step == settings.steps:
                _check_finite(training.model)
                save_state(state_path, origin, training.state())
                good = training.step
        except FloatingPointError as error:
            kept = f"the state of step {good} is kept in {state_path}" if good else "no state was saved yet"
            raise UserError(
                f"training stopped after step {training.step}: {error}; {kept}; look at the data, or delete "
                "that file and begin anew with a smaller learning rate"
            ) from error
    progress(training.step, training.curve)
    return training.model.eval(), training.curve


class Losses(NamedTuple):
    """Mean losses on some windows, all in scaled units."""

    dynamics: Tensor
    policy: Tensor
    reward: Tensor
    value: Tensor

    def total(self, settings: PretrainingSettings) -> Tensor:
        """What is made small."""
        scores = settings.score_weight * (self.reward + self.value)
        return self.dynamics + settings.policy_weight * self.policy + scores


def losses(model: WorldModel, examples: Examples) -> Losses:
    """Squared errors of the dynamics on all windows, of the policy on a quarter, of the scores on an eighth.

    Policy and scores are the easier part: so few windows teach them enough. Reward and value are read both
    from the latents of what came, so that the encoder keeps what they need, and from the predicted ones,
    which they will be asked about.
    """
    windows, history = examples.windows, model.history
    context = model.read(windows.observation[:, : history + 1], windows.action[:, :history])
    action, command = windows.action[:, history:], windows.command[:, history + 1 :]
    predicted = model.predict(context, action)
    dynamics = model.latent_loss(predicted, model.seen(windows)).mean()
    few = max(1, len(windows) // 4)
    policy = model.propose(context.first(few), command[:few]) - examples.expert[:few]
    few = max(1, len(windows) // 8)
    context = context.first(few)
    came = model.encode(windows.observation[:few, history + 1 :], context.now)
    # Two plans for each history: they differ in how their latents were come by.
    latents = torch.stack([came, predicted[:few]], dim=1).flatten(0, 1)
    action, command, reward, value, known = (
        each[:few].repeat_interleave(2, dim=0)
        for each in (action, command, examples.reward, examples.returns, examples.known)
    )
    reward_error = (model.reward(context, latents, action, command) - reward) / model.scaling.reward_deviation
    value_error = (model.value(context, latents, command) - value) / model.scaling.value_deviation
    return Losses(
        dynamics,
        (policy / model.scaling.action_deviation).square().mean(),
        reward_error.square().mean(),
        (value_error.square() * known).sum() / known.sum().clamp_min(1),
    )


def _check_finite(model: WorldModel) -> None:
    for name, weight in model.state_dict().items():
        if not torch.isfinite(weight).all():
            raise FloatingPointError(f"weight '{name}'")


def _root_mean_square(model: WorldModel, windows: Windows) -> float:
    error = model.forecast(windows) - windows.observation[:, model.history + 1 :]
    return float(np.sqrt(error[..., model.scaling.vector].square().mean().item()))
