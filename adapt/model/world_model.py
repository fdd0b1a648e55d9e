"""The latent world model: what the robot did tells what it will do.

After SimDist (arXiv 2603.15759): encoders make a latent of an observation, a transformer reads the
history and predicts the latents of the whole horizon in one pass, a second one proposes actions, and
two heads score what is expected. Encoders, policy, reward and value come from simulation; on the robot
only the dynamics are updated.

In a readable model the first V entries of a latent are the scaled change of the vector observation
since now, so that a prediction can be read in the robot file's units without a decoder of its own and
without its error; the others are learned features of the observation.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from adapt.errors import UserError
from adapt.model.attention import Decoder, Scorer
from adapt.model.context import Context, Described, Lesson
from adapt.model.dynamics import Dynamics
from adapt.model.encoders import MapEncoder, perceptron
from adapt.model.scaling import Scaling
from adapt.model.settings import ModelSettings
from adapt.model.windows import Windows
from adapt.robot.specification import RobotSpecification

FEATURE_WEIGHT = 0.1
"""Weight of the learned features in the dynamics loss, against 1 for the observations."""
LAST_TICK = slice(-1, None)


class WorldModel(nn.Module):
    """Encoders, dynamics, policy, reward and value over the history of one robot.

    Shapes: B histories, N plans for each, H ticks of history, T of horizon, V of the O observation
    values are plain numbers (the others are height maps), A and C as in the robot file.
    """

    def __init__(self, specification: RobotSpecification, settings: ModelSettings):
        super().__init__()
        self.settings = settings
        self.history = specification.history_ticks
        self.horizon = specification.horizon_ticks
        width, actions, commands = settings.latent, specification.action_size, specification.command_size
        vectors = len(specification.vector_indices)
        self.readable_size = vectors if settings.readable else 0
        if width <= self.readable_size:
            raise UserError(
                f"robot '{specification.name}': {vectors} observation values do not fit "
                f"a latent of width {width}: raise model.latent"
            )
        none = (-1,)
        self.scaling = Scaling(
            specification.observation_size,
            specification.vector_indices,
            specification.action_anchor if settings.readable else none * actions,
            specification.command_anchor if settings.readable else none * commands,
        )
        self._maps = {
            key: specification.channel_slice(key)
            for key, channel in specification.channels.items()
            if channel.height_map is not None
        }
        hidden = settings.encoder_hidden
        self.vector_encoder = perceptron((vectors + self.readable_size, hidden, hidden, width))
        self.map_encoders = nn.ModuleDict(
            {
                key: MapEncoder(channel.height_map, settings.map_channels, settings.map_hidden, width)
                for key, channel in specification.channels.items()
                if channel.height_map is not None
            }
        )
        joined = width * (1 + len(self.map_encoders))
        self.join = perceptron((joined, hidden, hidden, width - self.readable_size))
        self.action_token = nn.Linear(actions, width)
        self.time_code = nn.Parameter(0.02 * torch.randn(self.history + 1, width))
        self.kind_code = nn.Parameter(0.02 * torch.randn(3, width))
        self.dynamics = Dynamics(settings, vectors, actions, self.history, self.horizon)
        self.policy = Decoder(
            commands,
            actions,
            self.horizon,
            width,
            settings.policy_layers,
            settings.heads,
            settings.feed_forward,
        )
        score = (self.horizon, width, settings.score_layers, settings.score_heads, settings.feed_forward)
        self.reward_head = Scorer(width + actions + commands, *score)
        self.value_head = Scorer(width + commands, *score)

    def encode(self, observation: Tensor, now: Tensor) -> Tensor:
        """Latents of observations, seen from now. Shapes (B, L, O) and (B, O) to (B, L, latent)."""
        return self._latent(self._vector_tokens(observation, now), observation, now)

    def read(self, observation: Tensor, action: Tensor) -> Context:
        """Read B histories.

        Args:
            observation: shape (B, H + 1, O), the last one being now.
            action: shape (B, H, A), the actions applied between them.
        """
        return self._context(self._describe(observation, action))

    def _describe(self, observation: Tensor, action: Tensor) -> Described:
        now = observation[:, -1]
        seen = self._vector_tokens(observation, now)
        latent = self._latent(seen[:, -1:], observation[:, -1:], now)
        scaled = self.scaling.action(action, now)
        # The features of a readable latent need not repeat what its other entries would say of now.
        seen = seen if self.settings.readable else seen[:, :-1]
        tokens = torch.cat(
            [
                seen + self.time_code[: seen.shape[1]] + self.kind_code[0],
                self.action_token(scaled) + self.time_code[:-1] + self.kind_code[1],
                latent + self.time_code[-1] + self.kind_code[2],
            ],
            dim=1,
        )
        changes = self.scaling.change(observation[:, :-1], now)
        return Described(now, latent[:, 0], tokens, changes, scaled)

    def _context(self, past: Described) -> Context:
        dynamics = self.dynamics.read(past.tokens, past.changes, past.actions)
        return Context(past.now, past.latent, past.tokens, dynamics)

    def predict(self, context: Context, action: Tensor) -> Tensor:
        """Latents after each action.

        Args:
            context: of B histories.
            action: shape (B * N, T, A), in the robot file's units; N plans for each history, in order.

        Returns:
            shape (B * N, T, latent).
        """
        now = _for_each_plan(context.now, action)
        latents: Tensor = self.dynamics(self.scaling.action(action, now), context.dynamics)
        if self.settings.readable:
            latents = latents + _for_each_plan(context.latent, action)[:, None]
        return latents

    def observation(self, latent: Tensor, now: Tensor) -> Tensor:
        """Read observations from latents. Shapes (B, L, latent) and (B, O) to (B, L, O), robot units.

        Height maps are not predicted in the robot's units: they stay as they are now.

        Raises:
            UserError: the model is not readable.
        """
        if not self.settings.readable:
            raise UserError("this model's latents cannot be read as observations: it was published without")
        return self.scaling.unscale_change(latent[..., : self.readable_size], now)

    def measured(self, latent: Tensor) -> Tensor:
        """The entries of latents on which predictions are judged. Shape (..., latent) to (..., M)."""
        return latent[..., : self.readable_size] if self.settings.readable else latent

    def measure(self, observation: Tensor, now: Tensor) -> Tensor:
        """`measured` latents of observations, at the least cost. Shapes (B, L, O), (B, O) to (B, L, M)."""
        if self.settings.readable:
            return self.scaling.change(observation, now)
        return self.encode(observation, now)

    def has_policy_of(self, other: WorldModel) -> bool:
        """Whether both would drive alike where nobody searches: their policies have the same weights."""
        own, theirs = self.policy.state_dict(), other.policy.state_dict()
        return own.keys() == theirs.keys() and all(torch.equal(own[name], theirs[name]) for name in own)

    def propose(self, context: Context, command: Tensor) -> Tensor:
        """The policy's plan for B histories.

        Args:
            context: of B histories.
            command: shape (B, T, C), the commands of the horizon.

        Returns:
            shape (B, T, A), in the robot file's units; not limited.
        """
        scaled: Tensor = self.policy(
            self.scaling.command(command, context.now), self.policy.read(context.tokens)
        )
        return self.scaling.unscale_action(scaled, context.now)

    def reward(self, context: Context, latent: Tensor, action: Tensor, command: Tensor) -> Tensor:
        """Reward of each tick of a plan, by the learned head.

        Args:
            context: of B histories.
            latent: shape (B * N, T, latent), after each action, as `predict` gives them.
            action: shape (B * N, T, A), in the robot file's units.
            command: shape (B, T, C), likewise, or (B * N, T, C) where plans have commands of their own.

        Returns:
            shape (B * N, T).
        """
        now = _for_each_plan(context.now, action)
        # As published: the latent of now carries the codes with which it stands in the context.
        coded = _for_each_plan(context.tokens[:, -1:], action)
        before = torch.cat([coded, latent[:, :-1]], dim=1)
        inputs = torch.cat([before, self.scaling.action(action, now)], dim=-1)
        score: Tensor = self.reward_head(inputs, self._scaled_command(context, command))
        return score * self.scaling.reward_deviation + self.scaling.reward_mean

    def value(self, context: Context, latent: Tensor, command: Tensor, ticks: slice = slice(None)) -> Tensor:
        """Value of the state after each tick of a plan, by the learned head.

        Args:
            context: of B histories.
            latent: shape (B * N, T, latent), after each action.
            command: shape (B, T, C) or (B * N, T, C), the command then.
            ticks: which ticks to score; LAST_TICK for the terminal value alone.

        Returns:
            shape (B * N, T'), of the ticks asked for.
        """
        score: Tensor = self.value_head(latent, self._scaled_command(context, command), ticks)
        return score * self.scaling.value_deviation + self.scaling.value_mean

    def forecast(self, windows: Windows) -> Tensor:
        """Open-loop prediction of the observations of the horizon. Shape (B, T, O), robot units."""
        context = self.read(*self._past(windows))
        latents = self.predict(context, windows.action[:, self.history :])
        return self.observation(latents, context.now)

    def forecast_error(self, windows: Windows) -> Tensor:
        """Open-loop error of what is judged on, scaled to order one. Shape (B, T, M)."""
        context = self.read(*self._past(windows))
        predicted = self.predict(context, windows.action[:, self.history :])
        return self.measured(predicted) - self.measure(
            windows.observation[:, self.history + 1 :], context.now
        )

    def dynamics_loss(self, windows: Windows) -> Tensor:
        """Squared error between predicted latents and the encoding of what came. Shape (B,)."""
        return self.lesson_loss(self.lesson(windows))

    def lesson(self, windows: Windows) -> Lesson:
        """What `lesson_loss` needs of windows: it does not change while only the dynamics are trained."""
        past = self._describe(*self._past(windows))
        return Lesson(past, windows.action[:, self.history :], self.seen(windows))

    def lesson_loss(self, lesson: Lesson) -> Tensor:
        """`dynamics_loss` of windows that have been encoded already. Shape (B,)."""
        return self.latent_loss(self.predict(self._context(lesson.past), lesson.action), lesson.seen)

    @torch.no_grad()
    def seen(self, windows: Windows) -> Tensor:
        """The latents that came, to learn from. Shape (B, T, latent)."""
        return self.encode(windows.observation[:, self.history + 1 :], windows.observation[:, self.history])

    def latent_loss(self, predicted: Tensor, seen: Tensor) -> Tensor:
        """Squared error of latents, both of shape (B, T, latent). Shape (B,)."""
        error = (predicted - seen).square()
        if not self.settings.readable:
            return error.mean((1, 2))
        size = self.readable_size
        return error[..., :size].mean((1, 2)) + FEATURE_WEIGHT * error[..., size:].mean((1, 2))

    def dynamics_parameters(self) -> dict[str, nn.Parameter]:
        """The weights that may change on the robot, by their name in the checkpoint."""
        return {name: weight for name, weight in self.named_parameters() if name.startswith("dynamics.")}

    def _scaled_command(self, context: Context, command: Tensor) -> Tensor:
        return self.scaling.command(command, _for_each_plan(context.now, command))

    def _vector_tokens(self, observation: Tensor, now: Tensor) -> Tensor:
        described = self.scaling.observation(observation)[..., self.scaling.vector]
        if self.settings.readable:
            described = torch.cat([described, self.scaling.change(observation, now)], dim=-1)
        return self.vector_encoder(described)  # type: ignore[no-any-return]

    def _latent(self, vector_tokens: Tensor, observation: Tensor, now: Tensor) -> Tensor:
        parts = [vector_tokens]
        if self._maps:
            scaled = self.scaling.observation(observation)
            parts += [self.map_encoders[key](scaled[..., where]) for key, where in self._maps.items()]
        features: Tensor = self.join(torch.cat(parts, dim=-1))
        if not self.settings.readable:
            return features
        # Features that are their own target would grow without bound, or vanish.
        features = functional.layer_norm(features, features.shape[-1:])
        return torch.cat([self.scaling.change(observation, now), features], dim=-1)

    def _past(self, windows: Windows) -> tuple[Tensor, Tensor]:
        return windows.observation[:, : self.history + 1], windows.action[:, : self.history]


def _for_each_plan(values: Tensor, plans: Tensor) -> Tensor:
    """What holds for B histories, repeated for the plans of each. Shape (B, ...) to (B * N, ...)."""
    return values.repeat_interleave(plans.shape[0] // values.shape[0], dim=0)
