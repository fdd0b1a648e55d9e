"""Episodes of one hidden arm, in the mix of behaviours with which models are pretrained."""

from __future__ import annotations

import numpy as np

from adapt.robot.specification import RobotSpecification
from adapt.sim.arm_episodes import SETTLING_TICKS, draw_conduct
from adapt.sim.arms import Arms, arm_models, load_model
from adapt.sim.following import follow
from adapt.sim.logs import ArmLog
from adapt.sim.scenario import Scenario
from adapt.sim.simulator import COMMANDS_PER_TICK
from adapt.stream.tick import FloatArray


def scenario_episodes(
    spec: RobotSpecification, scenario: Scenario, count: int, ticks: int, generator: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """What the arm of a scenario does in `count` episodes of `ticks` ticks.

    Events and losses are left out, and the mean of the jitter counts as delay.

    Returns:
        observation and applied, each of shape (count, ticks, A), rad.
    """
    arms = arms_of(spec, scenario, count)
    tick_times = np.arange(SETTLING_TICKS + ticks, dtype=np.float64) * spec.period_s
    conduct = draw_conduct(spec, arm_models(load_model(spec), arms), arms, tick_times, generator)
    interval_s = spec.period_s / COMMANDS_PER_TICK
    times: FloatArray = np.arange(conduct.sent.shape[1], dtype=np.float64) * interval_s
    logs = [
        ArmLog("", times, sent, np.broadcast_to(start, sent.shape))
        for start, sent in zip(conduct.start, conduct.sent, strict=True)
    ]
    hidden = scenario.changed({"servo_delay_s": scenario.servo_delay_s + scenario.servo_jitter_s})
    seen = np.stack(follow(spec, [hidden] * count, logs))
    seen += generator.normal(size=seen.shape) * scenario.sensor_noise
    if scenario.encoder_step > 0:
        seen = np.round(seen / scenario.encoder_step) * scenario.encoder_step
    at = np.maximum(tick_times - spec.sampling_delay_s, 0.0) / interval_s
    before = at.astype(np.int64)
    share = (at - before)[:, None]
    observation = seen[:, before] * (1 - share) + seen[:, before + 1] * share
    applied = conduct.sent.reshape(count, len(tick_times), COMMANDS_PER_TICK, -1).mean(axis=2)
    return observation[:, SETTLING_TICKS:], applied[:, SETTLING_TICKS:]


def arms_of(spec: RobotSpecification, scenario: Scenario, count: int = 1) -> Arms:
    """What the training simulator can say of a scenario: `count` arms, all alike."""

    def rows(value: float | tuple[float, ...]) -> FloatArray:
        return np.broadcast_to(np.asarray(value, dtype=np.float64), (count, spec.action_size))

    return Arms(
        stiffness=rows(scenario.stiffness),
        lead_s=rows(scenario.lead_s),
        profile_acceleration=rows(scenario.profile_acceleration),
        profile_velocity=rows(scenario.profile_velocity),
        damping=rows(scenario.damping),
        friction=rows(scenario.coulomb_friction),
        armature=rows(scenario.armature),
        torque_limit=rows(scenario.torque_limit),
        play=rows(scenario.backlash) + rows(scenario.dead_zone),
        calibration=rows(scenario.calibration),
        mass_scale=rows(scenario.mass_scale),
        payload=np.full(count, scenario.payload_mass),
        delay_s=np.full(count, scenario.servo_delay_s),
        sensor_delay_s=np.zeros(count),
    )
