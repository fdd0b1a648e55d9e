"""The latent world model: what the robot did tells what it will do.

After SimDist (arXiv 2603.15759): an encoder makes latents of observations, a transformer reads the
history of latents and actions and predicts the latents of the whole horizon in one pass, and a
second one proposes actions. Encoder and policy come from simulation; on the robot only the dynamics
are updated.

The first O entries of a latent are the scaled change of the observation since now, so that a
prediction can be read in the robot file's units without a decoder of its own and without its error;
the others are learned features of the observation.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from adapt.errors import UserError
from adapt.model.attention import Decoder
from adapt.model.dynamics import Dynamics, Memory
from adapt.model.scaling import Scaling
from adapt.model.settings import ModelSettings
from adapt.model.windows import Windows
from adapt.robot.specification import RobotSpecification

FEATURE_WEIGHT = 0.1
"""Weight of the learned features in the dynamics loss, against 1 for the observations."""


@dataclass(frozen=True, slots=True)
class Context:
    """What B histories say, read once and used for any number of plans.

    Attributes:
        now: shape (B, O), the current observation.
        latent: shape (B, latent), its encoding.
        tokens: shape (B, H + 1, latent), one a tick.
        dynamics: what the dynamics keep of them.
    """

    now: Tensor
    latent: Tensor
    tokens: Tensor
    dynamics: Memory


class WorldModel(nn.Module):
    """Encoder, dynamics and policy over the history of one robot.

    Shapes: B histories, N plans for each, H ticks of history, T of horizon, O, A, C as in the robot file.
    """

    def __init__(self, specification: RobotSpecification, settings: ModelSettings):
        super().__init__()
        self.settings = settings
        self.history = specification.history_ticks
        self.horizon = specification.horizon_ticks
        self.observation_size = specification.observation_size
        features = settings.latent - self.observation_size
        if features <= 0:
            raise UserError(
                f"robot '{specification.name}': {self.observation_size} observation values do not fit "
                f"a latent of width {settings.latent}: raise model.latent"
            )
        width, hidden = settings.latent, settings.encoder_hidden
        self.scaling = Scaling(
            self.observation_size, specification.action_anchor, specification.command_anchor
        )
        self.encoder = nn.Sequential(
            nn.Linear(2 * self.observation_size, hidden),
            nn.GELU(approximate="tanh"),
            nn.Linear(hidden, hidden),
            nn.GELU(approximate="tanh"),
            nn.Linear(hidden, features),
        )
        self.observation_token = nn.Linear(width, width)
        self.action_token = nn.Linear(specification.action_size, width)
        self.time_code = nn.Parameter(0.02 * torch.randn(self.history + 1, width))
        self.dynamics = Dynamics(
            settings, self.observation_size, specification.action_size, self.history, self.horizon
        )
        self.policy = Decoder(settings, specification.command_size, specification.action_size, self.horizon)

    def encode(self, observation: Tensor, now: Tensor) -> Tensor:
        """Latents of observations, seen from now. Shapes (B, L, O) and (B, O) to (B, L, latent)."""
        change = self.scaling.change(observation, now)
        features = self.encoder(torch.cat([self.scaling.observation(observation), change], dim=-1))
        return torch.cat([change, features], dim=-1)

    def read(self, observation: Tensor, action: Tensor) -> Context:
        """Read B histories.

        Args:
            observation: shape (B, H + 1, O), the last one being now.
            action: shape (B, H, A), the actions applied between them.
        """
        now = observation[:, -1]
        latents = self.encode(observation, now)
        scaled = self.scaling.action(action, now)
        # One token a tick: the latent and the action that led to it; nothing led to the first.
        led = torch.nn.functional.pad(self.action_token(scaled), (0, 0, 1, 0))
        context = self.observation_token(latents) + led + self.time_code
        changes = latents[:, :-1, : self.observation_size]
        return Context(now, latents[:, -1], context, self.dynamics.read(context, changes, scaled))

    def predict(self, context: Context, action: Tensor) -> Tensor:
        """Latents after each action.

        Args:
            context: of B histories.
            action: shape (B * N, T, A), in the robot file's units; N plans for each history, in order.

        Returns:
            shape (B * N, T, latent).
        """
        plans = action.shape[0] // context.now.shape[0]
        now = context.now.repeat_interleave(plans, dim=0)
        latent = context.latent.repeat_interleave(plans, dim=0)
        change: Tensor = self.dynamics(self.scaling.action(action, now), context.dynamics)
        return latent[:, None] + change

    def observation(self, latent: Tensor, now: Tensor) -> Tensor:
        """Read observations from latents. Shapes (B, L, latent) and (B, O) to (B, L, O), robot units."""
        return self.scaling.unscale_change(latent[..., : self.observation_size], now)

    def propose(self, context: Context, command: Tensor) -> Tensor:
        """The policy's plan for B histories.

        Args:
            context: of B histories.
            command: shape (B, T, C), the commands of the ticks after now.

        Returns:
            shape (B, T, A), in the robot file's units; not limited.
        """
        scaled: Tensor = self.policy(
            self.scaling.command(command, context.now), self.policy.read(context.tokens)
        )
        return self.scaling.unscale_action(scaled, context.now)

    def forecast(self, windows: Windows) -> Tensor:
        """Open-loop prediction of the observations of the horizon. Shape (B, T, O), robot units."""
        context = self.read(*self._past(windows))
        latents = self.predict(context, windows.action[:, self.history :])
        return self.observation(latents, context.now)

    def dynamics_loss(self, windows: Windows) -> Tensor:
        """Squared error between predicted latents and the encoding of what came. Shape (B,)."""
        context = self.read(*self._past(windows))
        return self.prediction_loss(context, windows)

    def prediction_loss(self, context: Context, windows: Windows) -> Tensor:
        """`dynamics_loss` for histories that have been read already. Shape (B,)."""
        predicted = self.predict(context, windows.action[:, self.history :])
        with torch.no_grad():
            seen = self.encode(windows.observation[:, self.history + 1 :], context.now)
        error = (predicted - seen).square()
        size = self.observation_size
        return error[..., :size].mean((1, 2)) + FEATURE_WEIGHT * error[..., size:].mean((1, 2))

    def dynamics_parameters(self) -> dict[str, nn.Parameter]:
        """The weights that may change on the robot, by their name in the checkpoint."""
        return {name: weight for name, weight in self.named_parameters() if name.startswith("dynamics.")}

    def _past(self, windows: Windows) -> tuple[Tensor, Tensor]:
        return windows.observation[:, : self.history + 1], windows.action[:, : self.history]
