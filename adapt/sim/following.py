"""How well a scenario follows the logs of a real arm, driven open loop with their commands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from adapt.robot.specification import RobotSpecification
from adapt.sim.hardware import Hardware
from adapt.sim.logs import ArmLog
from adapt.sim.scenario import Scenario, load_scenario
from adapt.stream.tick import FloatArray

SETTLING_S = 0.5
"""The start of a motion is not judged: where the gears stood before is unknown."""
HELD_OUT = 4
"""Every fourth motion, by name, is kept from fits."""


@dataclass(frozen=True, slots=True, eq=False)
class FollowingError:
    """How far a simulated arm is from the real one when both get the same commands, rad RMS.

    Attributes:
        joints: shape (A,).
        total: over all joints.
        motions: by motion, over all joints.
    """

    joints: FloatArray
    total: float
    motions: dict[str, float]


def follow(
    spec: RobotSpecification, scenarios: Sequence[Scenario], logs: Sequence[ArmLog]
) -> list[FloatArray]:
    """Drive scenario i open loop with the commands of log i from its first position.

    Losses, jitter and noise are left out, and what the encoder saw is not rounded.

    Returns:
        what each encoder saw at the times of its log, shape (N, A), rad.
    """
    hardware = Hardware(spec, scenarios, np.stack([log.position[0] for log in logs]))
    delays = np.array([each.servo_delay_s for each in scenarios])
    return drive(hardware, delays, logs)


def following_error(spec: RobotSpecification, scenario: Scenario, logs: Sequence[ArmLog]) -> FollowingError:
    """The error of `scenario` over whole motions, all samples alike."""
    paths = follow(spec, [scenario] * len(logs), logs)
    squares = [
        ((path - log.position) ** 2)[log.time_s - log.time_s[0] >= SETTLING_S]
        for path, log in zip(paths, logs, strict=True)
    ]
    joints = np.sqrt(np.concatenate(squares).mean(axis=0))
    motions = {log.name: float(np.sqrt(each.mean())) for log, each in zip(logs, squares, strict=True)}
    return FollowingError(joints, float(np.sqrt((joints**2).mean())), motions)


def held_out(logs: Sequence[ArmLog]) -> tuple[list[ArmLog], list[ArmLog]]:
    """Part motions into those to fit to and those to judge by, always in the same way."""
    return [log for index, log in enumerate(logs) if index % HELD_OUT], list(logs[::HELD_OUT])


def compare_with_real(
    spec: RobotSpecification, logs: Sequence[ArmLog], scenarios: Sequence[str] = ("ideal", "real_arm")
) -> dict[str, FollowingError]:
    """Errors of some scenarios over the whole motions that no fit has seen.

    Raises:
        UserError: see `load_scenario`.
    """
    judged = held_out(logs)[1]
    return {name: following_error(spec, load_scenario(spec, name), judged) for name in scenarios}


def drive(hardware: Hardware, delays: FloatArray, logs: Sequence[ArmLog]) -> list[FloatArray]:
    """Send hardware i the commands of log i, `delays[i]` s late; see `follow`."""
    step_s = hardware.step_s
    steps = int(np.ceil(max(log.time_s[-1] - log.time_s[0] for log in logs) / step_s)) + 2
    wanted = np.stack(
        [_held(log, delay, step_s, steps) for log, delay in zip(logs, delays, strict=True)], axis=1
    )
    seen = np.empty((steps + 1, *hardware.encoder.shape))
    seen[0] = hardware.encoder
    for index in range(steps):
        hardware.step(wanted[index])
        seen[index + 1] = hardware.encoder
    paths = []
    for index, log in enumerate(logs):
        at = (log.time_s - log.time_s[0]) / step_s
        before = at.astype(np.int64)
        share = (at - before)[:, None]
        paths.append(seen[before, index] * (1 - share) + seen[before + 1, index] * share)
    return paths


def _held(log: ArmLog, delay: float, step_s: float, steps: int) -> FloatArray:
    """The log's commands, `delay` late, averaged over each step so that the delay may be any number."""
    edges = np.arange(steps + 1) * step_s - delay + log.time_s[0]
    times = np.concatenate([log.time_s, [max(edges[-1], log.time_s[-1]) + step_s]])
    covered = np.concatenate(
        [np.zeros((1, log.command.shape[1])), (np.diff(times)[:, None] * log.command).cumsum(0)]
    )
    before = np.minimum(edges - log.time_s[0], 0.0)[:, None] * log.command[0]
    integral = np.stack([np.interp(edges, times, column) for column in covered.T], axis=1) + before
    return np.asarray(np.diff(integral, axis=0) / step_s)
