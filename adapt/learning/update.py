"""Supervised updates of the dynamics on real windows; everything else of the model is frozen.

As in SimDist (arXiv 2603.15759) the dynamics go on with their pretraining loss on real data. With
little data they would forget the rest, and follow what is accidental in the little. So each batch also
holds windows from the simulation of the pretraining (rehearsal), and windows from simulators like the
robot, where the real data can identify such; without these the weights are pulled back to the parent's.
What each of this is worth is in docs/adaptation.md.
"""

from __future__ import annotations

import copy
import math

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from adapt.learning.methods import Method, merge, trainable_weights
from adapt.model.context import Lesson
from adapt.model.windows import Windows
from adapt.model.world_model import WorldModel
from adapt.settings import Settings


class UpdateSettings(Settings):
    """How one candidate is trained."""

    method: Method = "full"
    """Which weights change, and in what form: see `trainable_weights`."""
    rank: int = Field(default=4, gt=0)
    """Of the adapters of `low_rank`."""
    steps: int = Field(default=600, gt=0)
    """At most."""
    epochs: float | None = Field(default=20.0, gt=0)
    """No real window is seen more often than this, on average: with little data there are fewer steps, or
    more of each batch is simulated."""
    batch: int = Field(default=64, gt=0)
    simulated_share: float = Field(default=0.0, ge=0, lt=1)
    """Part of each batch that comes from simulators like the robot, which the same real windows identify."""
    rehearsal_share: float = Field(default=0.25, ge=0, lt=1)
    """Part of each batch that comes from the simulation of the pretraining."""
    learning_rate: float = Field(default=3e-4, gt=0)
    """The largest; it falls linearly, from the first step on or from the end of the warm-up."""
    last_rate: float = Field(default=0.0, ge=0, le=1)
    """What the learning rate falls to, in parts of the largest."""
    warm_up: int = Field(default=0, ge=0)
    """Steps in which the learning rate rises from zero to the largest."""
    pull: float = Field(default=1.0, ge=0)
    """Each step moves the weights towards the parent's by this times the learning rate."""
    blend: float = Field(default=1.0, gt=0, le=1)
    """The candidate lies so far on the way from the parent's weights to the trained ones: with little
    data the middle forecasts better than the end (Wortsman et al., WiSE-FT, CVPR 2022)."""
    gradient_norm: float | None = Field(default=1.0, gt=0)
    """Longer gradients are made as short as this; None to leave them as they are."""

    @model_validator(mode="after")
    def _scratch_has_no_parent(self) -> UpdateSettings:
        held = self.simulated_share or self.rehearsal_share or self.pull or self.blend != 1.0
        if self.method == "scratch" and held:
            shares = "simulated_share 0, rehearsal_share 0, pull 0 and blend 1"
            raise ValueError(f"method 'scratch' needs {shares}: it has no parent")
        return self

    def steps_on(self, windows: int) -> int:
        """How many steps a training on so many real windows has."""
        if self.epochs is None or self.simulated_share:
            return self.steps
        real = self.batch * (1.0 - self.rehearsal_share)
        return max(1, min(self.steps, math.ceil(self.epochs * windows / real)))

    def rate(self, step: int, steps: int | None = None) -> float:
        """Learning rate of a step, counted from 0, of a training of so many steps; None for `steps`."""
        if step < self.warm_up:
            return self.learning_rate * step / self.warm_up
        fallen = (step - self.warm_up) / max(1, (steps or self.steps) - self.warm_up)
        return self.learning_rate * (1.0 - fallen * (1.0 - self.last_rate))


LARGEST_ERROR = 1e6


class DynamicsUpdate:
    """Trains `model` in place. The same generator state and windows give the same weights.

    Attributes:
        taken: steps so far.
        skipped: steps that changed nothing, since their loss or gradient was not finite.
    """

    def __init__(
        self,
        settings: UpdateSettings,
        model: WorldModel,
        rehearsal: Windows | None,
        generator: torch.Generator,
        simulated: Windows | None = None,
    ):
        """`model` starts as its parent; `rehearsal` comes from the simulation of the pretraining, None for
        none; `simulated` comes from simulators like the robot, where the settings give them a share."""
        self.settings = settings
        self.model = model.train()
        self.taken = 0
        self._steps = settings.steps
        self.skipped = 0
        self._generator = generator
        self._rehearsal = None if rehearsal is None else _Lessons(model, rehearsal)
        self._simulated = None if simulated is None else _Lessons(model, simulated)
        self._real: _Lessons | None = None
        self._parent = {name: weight.detach().clone() for name, weight in model.dynamics_parameters().items()}
        self._weights = trainable_weights(model, settings.method, settings.rank, generator)
        model.requires_grad_(False)
        for weight in self._weights.values():
            weight.requires_grad_(True)
        self._start = [weight.detach().clone() for weight in self._weights.values()]
        self._optimiser = torch.optim.AdamW(
            self._weights.values(), lr=settings.learning_rate, weight_decay=0.0, fused=True
        )

    @property
    def done(self) -> bool:
        """Whether all steps were taken."""
        return self.taken >= self._steps

    def step(self, windows: Windows) -> float | None:
        """One step on a batch of real windows; gives their loss, or None where the step was skipped."""
        weights = list(self._weights.values())
        if self._real is None or self._real.windows is not windows:
            self._real = _Lessons(self.model, windows)
        if self.taken == 0:
            self._steps = self.settings.steps_on(len(windows))
        rate = self.settings.rate(self.taken, self._steps)
        self._optimiser.param_groups[0]["lr"] = rate
        self.taken += 1
        batch, real = self._batch(self._real)
        losses = self.model.lesson_loss(batch)
        self._optimiser.zero_grad()
        losses.mean().backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(weights, self.settings.gradient_norm or math.inf)
        if not (torch.isfinite(norm) and torch.isfinite(losses).all()):
            self.skipped += 1
            return None
        self._optimiser.step()
        with torch.no_grad():
            for weight, start in zip(weights, self._start, strict=True):
                weight.lerp_(start, rate * self.settings.pull)
        return float(losses[:real].mean().detach())

    def finish(self) -> WorldModel:
        """The trained model, blended with its parent, in evaluation mode."""
        merge(self.model)
        with torch.no_grad():
            for name, weight in self.model.dynamics_parameters().items():
                weight.copy_(self._parent[name].lerp(weight, self.settings.blend))
        return self.model.requires_grad_(False).eval()

    def _batch(self, windows: _Lessons) -> tuple[Lesson, int]:
        settings = self.settings
        rehearsed = 0 if self._rehearsal is None else round(settings.batch * settings.rehearsal_share)
        real, simulated = settings.batch - rehearsed, 0
        if self._simulated is not None:
            real -= round(settings.batch * settings.simulated_share)
            if settings.epochs is not None:
                real = min(real, max(1, round(settings.epochs * len(windows.windows) / self._steps)))
            simulated = settings.batch - rehearsed - real
        sources = (windows, real), (self._simulated, simulated), (self._rehearsal, rehearsed)
        parts = [
            source.drawn(count, self._generator) for source, count in sources if source is not None and count
        ]
        return Lesson.join(parts), real


class _Lessons:
    """Windows that are encoded when they are drawn first: encoders are frozen, and most come again."""

    def __init__(self, model: WorldModel, windows: Windows):
        self.windows = windows
        self._model = model
        self._encoded = torch.zeros(len(windows), dtype=torch.bool)
        self._parts: list[Tensor] = []

    def drawn(self, count: int, generator: torch.Generator) -> Lesson:
        """So many at random, with repetition."""
        index = torch.randint(len(self.windows), (count,), generator=generator)
        if len(new := torch.unique(index[~self._encoded[index]])):
            found = self._model.lesson(self.windows.select(new)).parts
            if not self._parts:
                self._parts = [part.new_empty(len(self.windows), *part.shape[1:]) for part in found]
            for part, values in zip(self._parts, found, strict=True):
                part[new] = values
            self._encoded[new] = True
        return Lesson.of([part[index] for part in self._parts])


def updated(
    model: WorldModel,
    rehearsal: Windows | None,
    settings: UpdateSettings,
    windows: Windows,
    seed: int,
    simulated: Windows | None = None,
) -> WorldModel:
    """A copy of the model with its dynamics updated on windows, all steps at once."""
    generator = torch.Generator().manual_seed(seed)
    update = DynamicsUpdate(settings, copy.deepcopy(model), rehearsal, generator, simulated)
    while not update.done:
        update.step(windows)
    return update.finish()


@torch.no_grad()
def forecast_error(model: WorldModel, windows: Windows) -> float:
    """Open-loop error: RMS over windows, horizon and what is judged on, in units of its usual change.

    It is always finite: what is not, or is larger, counts as LARGEST_ERROR.
    """
    scaled = float(model.forecast_error(windows).square().mean().sqrt())
    return min(scaled, LARGEST_ERROR) if math.isfinite(scaled) else LARGEST_ERROR
