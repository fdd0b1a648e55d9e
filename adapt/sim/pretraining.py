"""Pretraining: a world model learns from simulated robots what a real one may be like."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from adapt.model.settings import ModelSettings
from adapt.model.windows import Windows
from adapt.model.world_model import WorldModel
from adapt.robot.specification import RobotSpecification
from adapt.settings import Settings
from adapt.sim.data import Dataset


class PretrainingSettings(Settings):
    """How much, and how fast."""

    arms: int = Field(default=4096, gt=1)
    ticks: int = Field(default=250, gt=0)
    steps: int = Field(default=8000, gt=0)
    batch: int = Field(default=256, gt=0)
    learning_rate: float = Field(default=2e-3, gt=0)
    weight_decay: float = Field(default=1e-4, ge=0)
    policy_weight: float = Field(default=0.2, ge=0)
    clip: float = Field(default=1.0, gt=0)
    """Largest norm of a gradient."""
    held_out: float = Field(default=0.05, gt=0, lt=1)
    """Share of the simulated robots that are only measured on."""
    rehearsal: int = Field(default=1024, gt=0)
    """Windows kept beside the checkpoint, against forgetting on the robot."""


class Sampler:
    """Random windows of a data set, with the expert's plan for each."""

    def __init__(self, dataset: Dataset, specification: RobotSpecification, robots: slice):
        self._observation = torch.from_numpy(dataset.observation[robots])
        self._action = torch.from_numpy(dataset.action[robots])
        self._command = torch.from_numpy(dataset.command[robots])
        self._expert = torch.from_numpy(dataset.expert_action[robots])
        self._history = specification.history_ticks
        self._length = specification.history_ticks + 1 + specification.horizon_ticks

    def draw(self, count: int, generator: torch.Generator) -> tuple[Windows, Tensor]:
        """Draw `count` windows, and the expert's actions over their horizon, shape (count, T, A)."""
        robots, ticks, _ = self._observation.shape
        robot = torch.randint(robots, (count, 1), generator=generator)
        start = torch.randint(ticks - self._length + 1, (count, 1), generator=generator)
        index = start + torch.arange(self._length)
        windows = Windows(
            self._observation[robot, index], self._action[robot, index[:, :-1]], self._command[robot, index]
        )
        return windows, self._expert[robot, index[:, self._history : -1]]


def pretrain(
    specification: RobotSpecification,
    model_settings: ModelSettings,
    settings: PretrainingSettings,
    dataset: Dataset,
    seed: int,
    report: Callable[[dict[str, float]], None],
    report_every: int = 250,
) -> tuple[WorldModel, dict[str, Any]]:
    """Train a world model on simulated robots.

    Args:
        specification: the robot.
        model_settings: sizes of the model.
        settings: length and rate of the training.
        dataset: simulated robots.
        seed: of the weights and of the order of the data.
        report: called with step and losses every `report_every` steps.
        report_every: steps between two reports.

    Returns:
        the model in evaluation mode, and its lineage (settings, seed, curve).
    """
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    held_out = max(1, int(len(dataset) * settings.held_out))
    training = Sampler(dataset, specification, slice(held_out, None))
    unseen, unseen_expert = Sampler(dataset, specification, slice(0, held_out)).draw(1024, generator)
    model = WorldModel(specification, model_settings)
    model.scaling.fit(training.draw(8192, generator)[0], specification.history_ticks)
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, settings.learning_rate, total_steps=settings.steps, pct_start=0.05
    )
    curve: list[dict[str, float]] = []
    for step in range(1, settings.steps + 1):
        dynamics_loss, policy_loss = losses(model, *training.draw(settings.batch, generator))
        optimiser.zero_grad()
        (dynamics_loss + settings.policy_weight * policy_loss).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip)
        optimiser.step()
        schedule.step()
        if step % report_every == 0 or step == settings.steps:
            with torch.no_grad():
                unseen_losses = losses(model, unseen, unseen_expert)
                error = _root_mean_square(model, unseen)
            curve.append(
                {
                    "step": step,
                    "training_loss": dynamics_loss.item(),
                    "dynamics_loss": unseen_losses[0].item(),
                    "policy_loss": unseen_losses[1].item(),
                    "open_loop_rmse": error,
                }
            )
            report(curve[-1])
    lineage = {"pretraining": settings.model_dump(), "seed": seed, "curve": curve}
    return model.eval(), lineage


def losses(model: WorldModel, windows: Windows, expert: Tensor) -> tuple[Tensor, Tensor]:
    """Mean losses of the dynamics and of the policy, both in scaled units."""
    history = model.history
    context = model.read(windows.observation[:, : history + 1], windows.action[:, :history])
    dynamics_loss = model.prediction_loss(context, windows).mean()
    # The policy is the easier half: a quarter of the windows teaches it enough.
    some = windows.select(slice(0, len(windows) // 4))
    context = model.read(some.observation[:, : history + 1], some.action[:, :history])
    proposed = model.propose(context, some.command[:, history + 1 :])
    policy_error = (proposed - expert[: len(some)]) / model.scaling.action_deviation
    return dynamics_loss, policy_error.square().mean()


def draw_rehearsal(specification: RobotSpecification, dataset: Dataset, count: int, seed: int) -> Windows:
    """Windows of simulated robots, to be shipped beside a checkpoint, against forgetting."""
    sampler = Sampler(dataset, specification, slice(None))
    return sampler.draw(count, torch.Generator().manual_seed(seed))[0]


def _root_mean_square(model: WorldModel, windows: Windows) -> float:
    seen = windows.observation[:, model.history + 1 :]
    return float(np.sqrt((model.forecast(windows) - seen).square().mean().item()))
