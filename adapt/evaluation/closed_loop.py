"""How a controller drives a robot under a scenario, in simulated time: progress, falls, tracking."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch

from adapt.errors import UserError
from adapt.evaluation.statistics import Estimate, mean_interval
from adapt.evaluation.tracking import tracking_rmse
from adapt.model.checkpoint import load_checkpoint, shipped_checkpoint
from adapt.planning.pilot import Pilot
from adapt.planning.settings import PlannerSettings
from adapt.robot.specification import RobotSpecification
from adapt.sim.arm_stand_in import ArmStandIn
from adapt.sim.closed_loop import Driver, Reference, drive
from adapt.sim.commands import SetPoint
from adapt.sim.drivers import ArmExpertDriver, ExpertDriver
from adapt.sim.experts import make_expert
from adapt.sim.model_stand_in import ModelStandIn
from adapt.sim.reference import ReferencePath
from adapt.sim.stand_in import StandIn, make_stand_in
from adapt.sim.workers import become_worker
from adapt.stream.tick import FloatArray

START_NS = 1_000_000_000
"""The robot's clock when an episode begins."""

Controller = Literal["policy", "planner", "expert", "direct"]


def controller_of(name: str) -> Controller:
    """The controller of this name.

    Raises:
        UserError: there is none.
    """
    for known in get_args(Controller):
        if name == known:
            return known  # type: ignore[no-any-return]
    raise UserError(f"--controller {name}: there are: {', '.join(get_args(Controller))}")


@dataclass(frozen=True)
class Trial:
    """What every episode of a comparison has in common.

    Attributes:
        specification: the robot.
        scenario: the hidden effects, by name or path.
        controller: who drives.
        seconds: length of an episode, from the end of the wait for a history on.
        command: shape (C,), the set-point; None for robots that follow paths.
        checkpoint: world model of policy and planner; None for the shipped one.
        expert: weights of an expert policy.
        settings: of the planner.
        settled: begin when all events of the scenario are over.
    """

    specification: RobotSpecification
    scenario: str
    controller: Controller
    seconds: float
    command: tuple[float, ...] | None = None
    checkpoint: Path | None = None
    expert: Path | None = None
    settings: PlannerSettings = field(default_factory=PlannerSettings)
    settled: bool = False


@dataclass(frozen=True, slots=True)
class Episode:
    """What came of one seed.

    Attributes:
        progress_m: way of the root body along the commanded velocity as the robot stood at the start, m,
            until it fell or the time was over; None where the command is no velocity.
        fell_at_s: when it fell, None if it did not.
        tracking_rmse: of what the command tracks, after the wait; None for walkers.
    """

    progress_m: float | None
    fell_at_s: float | None
    tracking_rmse: float | None


def run_episode(trial: Trial, seed: int) -> Episode:
    """One episode, deterministic by its seed.

    While the pilot has no history yet, the robot rests and is commanded nothing: this wait is not judged.

    Raises:
        UserError: the scenario, the checkpoint or the expert is missing or does not fit.
    """
    torch.set_num_threads(1)
    specification = trial.specification
    waiting = specification.history_ticks
    stand_in = make_stand_in(specification, trial.scenario, seed, START_NS, settled=trial.settled)
    path, reference = make_reference(trial, stand_in, seed)
    driver = make_driver(trial, stand_in, path, seed)
    total = waiting + round(trial.seconds * specification.rate_hz)
    ticks = []
    start, forward, fell_at_s = stand_in.base_position, stand_in.base_rotation[:, :2], None
    for count, tick in enumerate(drive(specification, stand_in, driver, reference, total), start=1):
        if count == waiting:
            start = stand_in.base_position
        elif count > waiting:
            ticks.append(tick)
        if stand_in.fallen:
            fell_at_s = max(0.0, (count - waiting) * specification.period_s)
            break
    direction = _direction(trial)
    moved = stand_in.base_position - start
    tracked = direction is None and -1 not in specification.command_anchor
    return Episode(
        progress_m=None if direction is None else float(moved @ forward @ direction),
        fell_at_s=fell_at_s,
        tracking_rmse=tracking_rmse(specification, [ticks])[0] if tracked else None,
    )


def run_episodes(
    trial: Trial, seeds: int, workers: int = 2, progress: Callable[[int], None] = lambda done: None
) -> list[Episode]:
    """Episodes of the seeds 0, 1, ..., in processes of their own; `progress` is told how many are done.

    Raises:
        UserError: see `run_episode`.
    """
    done = []
    for episode in _each(trial, seeds, workers):
        done.append(episode)
        progress(len(done))
    return done


def _each(trial: Trial, seeds: int, workers: int) -> Iterator[Episode]:
    if min(workers, seeds) == 1:
        yield from (run_episode(trial, seed) for seed in range(seeds))
        return
    # A fork would take PyTorch's threads along, which do not survive it.
    context, count = get_context("spawn"), min(workers, seeds)
    with ProcessPoolExecutor(count, context, initializer=become_worker) as pool:
        yield from pool.map(run_episode, [trial] * seeds, range(seeds))


def summarise(episodes: list[Episode]) -> dict[str, Any]:
    """For JSON: falls, episodes, and `progress_m` and `tracking_rmse` with their intervals, if any."""
    summary: dict[str, Any] = {
        "falls": sum(each.fell_at_s is not None for each in episodes),
        "episodes": len(episodes),
    }
    for name in ("progress_m", "tracking_rmse"):
        values = [value for each in episodes if (value := getattr(each, name)) is not None]
        if values:
            summary[name] = _estimate(values).as_dict()
    return summary


def _estimate(values: list[float]) -> Estimate:
    if len(values) > 1:
        return mean_interval(values)
    # One trial says nothing of the spread; its interval is the value, and n says so.
    return Estimate(values[0], values[0], values[0], 1)


def _direction(trial: Trial) -> FloatArray | None:
    """Where to, in the plane: for commands of a walker, whose first two entries are velocities."""
    units = trial.specification.task.command.name_units
    if trial.command is None or len(units) < 2 or units[:2] != ("m/s", "m/s"):
        return None
    velocity = np.array(trial.command[:2])
    speed = float(np.linalg.norm(velocity))
    return None if speed == 0.0 else velocity / speed


def make_reference(trial: Trial, stand_in: StandIn, seed: int) -> tuple[ReferencePath | None, Reference]:
    """What is commanded in an episode, and the path that it comes from, if any.

    Raises:
        UserError: the robot follows paths and a command is given, or it does not and none is.
    """
    specification = trial.specification
    if isinstance(stand_in, ArmStandIn):
        if trial.command is not None:
            raise UserError(f"robot {specification.name}: follows paths: leave out --command")
        duration_s = trial.seconds + (specification.history_ticks + 2) * specification.period_s
        path = ReferencePath(specification, stand_in.true_position, duration_s, np.random.default_rng(seed))
        return path, path.position
    size = specification.command_size
    if trial.command is None or len(trial.command) != size:
        names = ", ".join(specification.task.command.names)
        raise UserError(f'robot {specification.name}: give --command "..." with {size} numbers: {names}')
    return None, SetPoint(np.array(trial.command), specification.history_ticks * specification.period_s)


def make_driver(trial: Trial, stand_in: StandIn, path: ReferencePath | None, seed: int) -> Driver:
    """The controller of an episode.

    Raises:
        UserError: the checkpoint or the expert is missing or does not fit.
    """
    specification = trial.specification
    if trial.controller == "expert":
        if isinstance(stand_in, ArmStandIn) and path is not None:
            return ArmExpertDriver(specification, stand_in, path)
        assert isinstance(stand_in, ModelStandIn)
        return ExpertDriver(specification, make_expert(specification, trial.expert, seed), stand_in)
    model, _ = load_checkpoint(trial.checkpoint or shipped_checkpoint(specification), specification)
    return Pilot(specification, model, trial.settings, seed, trial.controller)
