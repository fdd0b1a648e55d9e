"""Re-distillation: the student drives simulators like the robot, the expert says what to do there, and the
student learns it (DAgger: Ross et al., AISTATS 2011).

Of the model only the policy and the dynamics learn; encoders, reward and value stay as they are.
"""

from __future__ import annotations

import copy
import itertools
import json
import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from pydantic import Field

from adapt.distillation.identification import Progress
from adapt.distillation.jobs import (
    Drive,
    DrivingSettings,
    Repeat,
    Score,
    unpack_drives,
    unpack_windows,
)
from adapt.distillation.lessons import Collection, dynamics_loss, policy_loss
from adapt.distillation.posterior import Posterior
from adapt.errors import UserError
from adapt.model.checkpoint import content_hash, load_checkpoint, save_checkpoint
from adapt.model.windows import Windows
from adapt.model.world_model import WorldModel
from adapt.robot.specification import RobotSpecification
from adapt.settings import Settings
from adapt.sim.conditions import Conditions
from adapt.sim.experts import make_expert
from adapt.sim.mechanics import simulation_of
from adapt.sim.resumption import claim_folder
from adapt.sim.workers import Workers, kept_jobs

REPEATS, ARMS_AT_ONCE, RUNS = 16, 4, 120
"""Parts of the motions of the logs that arms of the posterior repeat, arms in each, and motions of each."""
EXPERT = -1
"""The number of the round in which the expert drives, to see whether it can."""


class RedistillationSettings(Settings):
    """How much, and how fast."""

    rounds: int = Field(default=6, gt=0)
    driving: DrivingSettings = DrivingSettings()
    steps: int = Field(default=600, gt=0)
    """Of learning in each round."""
    whole_every: int = Field(default=4, gt=0)
    """Only every so many steps are about whole plans and the dynamics; the others are about the beginning of
    plans, which is what is done. Of an arm of servos, which no student drives, all are."""
    beginning: int = Field(default=2, gt=0)
    """Ticks of a plan that are its beginning, after the dead time."""
    batch: int = Field(default=64, gt=0)
    """Windows from which the policy learns."""
    dynamics_batch: int = Field(default=32, ge=0)
    """Windows from which the dynamics learn."""
    learning_rate: float = Field(default=1e-3, gt=0)
    last_rate: float = Field(default=0.1, ge=0, le=1)
    """What the rate falls to in each round, in parts of the largest."""
    expert_falls: float = Field(default=0.2, ge=0, le=1)
    """Where the expert itself falls with more of the robots, nothing is distilled."""
    fastest: float = Field(default=1.25, ge=1)
    """A student that was faster than commanded on usual robots stays so, up to so many times: who commands
    the robot knows its pace."""


@dataclass(frozen=True, slots=True, eq=False)
class Redistilled:
    """What came of it.

    Attributes:
        model: of the best round.
        best: which round that was, counted from 1; 0 where no student was better than the first one.
        expert: how the expert did.
        rounds: how the students did: first the one that it began with.
        pace: how many times as fast as commanded the expert should go.
    """

    model: WorldModel
    best: int
    expert: Score
    rounds: list[Score]
    pace: float

    def as_dict(self) -> dict[str, Any]:
        """For JSON, without the model."""
        rounds = [asdict(each) for each in self.rounds]
        return {"best": self.best, "pace": self.pace, "expert": asdict(self.expert), "rounds": rounds}


def best_round(scores: list[Score]) -> int:
    """The best, or the last that the examination cannot tell from it: that one has learned from more. The
    first, with which it began, is kept where none is better.
    """
    best = 0
    for number, score in enumerate(scores):
        if score.better_than(scores[best]):
            best = number
    alike = [number for number, score in enumerate(scores) if not score.told_from(scores[best])]
    return max(alike) if best else 0


class Redistillation:
    """One re-distillation, from its beginning or from where an earlier run of it has ended."""

    def __init__(
        self,
        spec: RobotSpecification,
        posterior: Posterior,
        model: WorldModel,
        expert: Path | None,
        settings: RedistillationSettings,
        folder: Path,
        workers: Callable[[], AbstractContextManager[Workers]],
        seed: int,
        progress: Progress = lambda what, share: None,
        at_once: bool = False,
    ) -> None:
        """Prepare.

        Args:
            spec: the robot, with the dead time that the student has had so far.
            posterior: which robots.
            model: the student as it is now; it is not changed.
            expert: the weights of the expert, where it is a policy.
            settings: how much.
            folder: where finished parts are kept: after a kill the same call goes on there.
            workers: who drives.
            seed: of all that is random.
            progress: told how far it is.
            at_once: what comes out acts in the tick in which it plans.

        Raises:
            UserError: see `make_expert`; or the folder holds another re-distillation.
        """
        self._servos = simulation_of(spec).actuators == "servos"
        if not self._servos:
            make_expert(spec, expert, 0)  # what is wrong with it should be told before anything is done
        self._as_it_was, self._spec = spec, spec.at_once() if at_once else spec
        self._posterior, self._settings = posterior, settings
        self._expert, self._folder, self._workers = expert, folder, workers
        self._seed, self._progress = seed, progress
        self._model = copy.deepcopy(model)
        self._collection = Collection(spec)
        self._repeats: Windows | None = None
        self._fallen: tuple[Conditions, ...] = ()
        self._pace = 1.0
        origin = {
            "schema_hash": spec.schema_hash,
            "dead_time_ticks": self._spec.dead_time_ticks,
            "settings": settings.model_dump(mode="json"),
            "seed": seed,
            "posterior": posterior.name,
            "parent": content_hash(model.state_dict()),
        }
        claim_folder(folder, origin)
        save_checkpoint(self._student(0), model, spec)

    def run(self) -> Redistilled:
        """Do all rounds. The best student counts, which need not be the last: see `best_round`.

        Raises:
            UserError: the expert itself falls with too many of the robots, or a worker failed.
        """
        self._pace = self._usual_pace()
        expert = self._examine(EXPERT)
        if expert.falls > self._settings.expert_falls * expert.robots:
            raise UserError(
                f"robot {self._spec.name}: its expert falls with {expert.falls} of {expert.robots} simulators"
                " of this posterior: nothing is distilled; a student cannot become better than its expert"
            )
        self._repeats = self._repeated()
        rounds = [self._examine(0)]
        for number in range(1, self._settings.rounds + 1):
            self._drive(number)
            if self._student(number).is_file():
                known, _ = load_checkpoint(self._student(number), self._spec)
                self._model.load_state_dict(known.state_dict())
            else:
                self._learn(number)
                save_checkpoint(self._student(number), self._model, self._spec)
            rounds.append(self._examine(number))
        best = best_round(rounds)
        return Redistilled(
            load_checkpoint(self._student(best), self._spec)[0], best, expert, rounds, self._pace
        )

    def _student(self, number: int) -> Path:
        return self._folder / f"student-{number}.safetensors"

    def _examine(self, number: int) -> Score:
        contents = self._parts(self._job(number, drives=number, examines=True))
        return Score.join([Score(**json.loads(content)) for content in contents])

    def _usual_pace(self) -> float:
        """Of the student as it was, on robots as the robot file has them."""
        if self._servos:
            return 1.0
        job = self._job(0, drives=0, examines=False)
        usual = job.settings.model_copy(update={"nominal_share": 1.0, "as_logged": 1.0})
        job = replace(job, settings=usual, spec=self._as_it_was)
        (content,) = kept_jobs([self._folder / "pace.part"], job, self._workers, lambda done: None)
        pace = unpack_drives(content).pace(self._spec)
        return 1.0 if pace is None else min(max(pace, 1.0), self._settings.fastest)

    def _repeated(self) -> Windows | None:
        """What arms of the posterior do in the motions of the logs; None where these are not known."""
        if self._posterior.motions is None:
            return None
        job = Repeat(self._spec, self._posterior, ARMS_AT_ONCE, RUNS, self._seed)
        paths = [self._folder / f"repeat-{part}.part" for part in range(REPEATS)]
        contents = kept_jobs(paths, job, self._workers, lambda done: self._tell(1, "drives", done / REPEATS))
        return Windows.join([unpack_windows(content) for content in contents])

    def _drive(self, number: int) -> None:
        """The student of the round before drives, and what came of it is learned from."""
        job = self._job(number, drives=number - 1, examines=False)
        fallen: list[Conditions] = []
        for part, content in enumerate(self._parts(job)):
            drives = unpack_drives(content)
            self._collection.add(drives)
            if not self._servos:
                fallen += itertools.compress(job.conditions(part), drives.has_fallen)
        self._fallen = tuple(fallen)

    def _job(self, number: int, drives: int, examines: bool) -> Drive:
        student = None if drives == EXPERT else self._student(drives)
        return Drive(
            self._spec,
            self._posterior,
            self._settings.driving,
            self._seed,
            self._expert,
            student,
            number,
            examines,
            () if examines else self._fallen,
            self._pace,
        )

    def _parts(self, job: Drive) -> list[bytes]:
        """What the workers make of a job; what they made before is there already."""
        driving = self._settings.driving
        count = math.ceil((driving.examined if job.examines else driving.robots) / driving.robots_at_once)
        kind, what = ("score", "is examined") if job.examines else ("drives", "drives")
        paths = [self._folder / f"{kind}-{job.round}-{part}.part" for part in range(count)]
        return kept_jobs(paths, job, self._workers, lambda done: self._tell(job.round, what, done / count))

    def _tell(self, number: int, what: str, share: float) -> None:
        """Driving, learning and being examined count as a third of a round each."""
        third = {"drives": 0, "learns": 1, "is examined": 2}[what]
        over = max(0.0, number - 1 + (third + share) / 3.0) / self._settings.rounds
        name = "the expert" if number == EXPERT else f"student {number}"
        self._progress(f"{name} {what}", min(1.0, over))

    def _learn(self, number: int) -> None:
        spec, settings, model, collection = self._spec, self._settings, self._model, self._collection
        generator = torch.Generator().manual_seed(self._seed * 1000 + number)
        model.requires_grad_(False).train()
        weights = [*model.policy.parameters(), *model.dynamics_parameters().values()]
        for weight in weights:
            weight.requires_grad_(True)
        optimiser = torch.optim.AdamW(weights, lr=settings.learning_rate, weight_decay=0.0, fused=True)
        for step in range(settings.steps):
            fallen = step / settings.steps * (1.0 - settings.last_rate)
            optimiser.param_groups[0]["lr"] = settings.learning_rate * (1.0 - fallen)
            whole = self._servos or step % settings.whole_every == 0
            ticks = spec.horizon_ticks if whole else spec.dead_time_ticks + settings.beginning
            loss = policy_loss(model, collection.draw(settings.batch, generator), ticks)
            if whole and settings.dynamics_batch:
                loss = loss + dynamics_loss(model, collection.draw(settings.dynamics_batch, generator))
                if (known := self._repeats) is not None:
                    drawn = torch.randint(len(known), (settings.dynamics_batch,), generator=generator)
                    loss = loss + model.dynamics_loss(known.select(drawn)).mean()
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimiser.step()
            self._tell(number, "learns", (step + 1) / settings.steps)
        model.requires_grad_(False).eval()
