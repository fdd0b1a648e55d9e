"""What a model reads of windows: histories described, lessons for the dynamics, contexts for plans."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from adapt.model.dynamics import Memory


@dataclass(frozen=True, slots=True)
class Described:
    """B histories in the terms of the dynamics.

    Attributes:
        now: shape (B, O), the current observation.
        latent: shape (B, latent), its encoding.
        tokens: shape (B, S, latent): past observations, past actions, the latent.
        changes: shape (B, H, V), scaled change of the vector observations before now.
        actions: shape (B, H, A), scaled.
    """

    now: Tensor
    latent: Tensor
    tokens: Tensor
    changes: Tensor
    actions: Tensor


@dataclass(frozen=True, slots=True)
class Lesson:
    """B histories with what was done then, shape (B, T, A), and the latents that came, (B, T, latent)."""

    past: Described
    action: Tensor
    seen: Tensor

    @property
    def parts(self) -> tuple[Tensor, ...]:
        """All tensors, the windows first."""
        past = self.past
        return past.now, past.latent, past.tokens, past.changes, past.actions, self.action, self.seen

    @staticmethod
    def of(parts: list[Tensor]) -> Lesson:
        """The lesson of these `parts`."""
        *past, action, seen = parts
        return Lesson(Described(*past), action, seen)

    @staticmethod
    def join(lessons: list[Lesson]) -> Lesson:
        """All windows of some lessons, in order."""
        return Lesson.of([torch.cat(same) for same in zip(*(each.parts for each in lessons), strict=True)])


@dataclass(frozen=True, slots=True)
class Context:
    """What B histories say, read once and used for any number of plans.

    Attributes:
        now: shape (B, O), the current observation.
        latent: shape (B, latent), its encoding.
        tokens: shape (B, S, latent): past observations, past actions, the latent.
        dynamics: what the dynamics keep of them.
    """

    now: Tensor
    latent: Tensor
    tokens: Tensor
    dynamics: Memory

    def first(self, count: int) -> Context:
        """The context of the first `count` histories."""
        dynamics = self.dynamics.first(count)
        return Context(self.now[:count], self.latent[:count], self.tokens[:count], dynamics)
