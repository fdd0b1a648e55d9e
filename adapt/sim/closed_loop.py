"""A controller drives a stand-in in simulated time, without ROS: for benchmarks and for tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Protocol

import numpy as np

from adapt.errors import UserError
from adapt.planning.pilot import Proposal
from adapt.robot.specification import RobotSpecification
from adapt.safety.filter import SafetyFilter
from adapt.sim.stand_in import StandIn
from adapt.stream.assembler import TickAssembler
from adapt.stream.tick import BoolArray, FloatArray, Tick

MEASUREMENTS_PER_TICK = 2
"""Where actions leave on the beat. Where they leave as soon as they are planned, each tick is measured
at its beginning."""
MOST_LOST = 100

Reference = Callable[[FloatArray], FloatArray]
"""Times (N,) in s since the start, never negative, -> the commands (N, C) for them."""


class Driver(Protocol):
    """Whoever proposes actions: a pilot, or an expert who knows the truth. See `Pilot`."""

    @property
    def dead_time_ticks(self) -> int:
        """1 where its actions leave on the next beat, 0 where at once, as a privileged expert's may."""
        ...

    def reset(self) -> None:
        """Begin an episode."""
        ...

    def decide(
        self,
        observation: FloatArray,
        valid: BoolArray,
        commands: FloatArray,
        ahead: FloatArray,
        sent: FloatArray,
    ) -> Proposal | None:
        """Propose the coming actions; see `Pilot.decide`."""
        ...

    def record(self, tick: Tick) -> None:
        """Take a tick that is over."""
        ...


def drive(
    specification: RobotSpecification,
    stand_in: StandIn,
    driver: Driver,
    reference: Reference,
    ticks: int,
    first_index: int = 0,
) -> Iterator[Tick]:
    """Run one episode and give its ticks as they become complete.

    Time and meaning are those of the live nodes, and planning takes no time. With a dead time of one
    tick an action leaves on the beat of its tick, having been planned in the tick before; without, it
    leaves at the beginning of the tick in which it is planned. It passes the safety filter on its way.

    Args:
        specification: the robot.
        stand_in: the simulated hardware, wherever it is now.
        driver: makes the proposals; it begins anew.
        reference: what is commanded, from the first tick on.
        ticks: length of the episode.
        first_index: number of the first tick.

    Raises:
        UserError: the stand-in does not say where it is.
    """
    period_ns = round(specification.period_s * 1e9)
    start_ns = stand_in.now_ns
    late = driver.dead_time_ticks
    delay_s = specification.sampling_delay_s
    assembler = TickAssembler(specification)
    safety = SafetyFilter(specification)
    horizon: FloatArray = np.arange(1.0, specification.horizon_ticks + 1.0) * specification.period_s

    def wanted(times: FloatArray) -> FloatArray:
        return reference(np.maximum(times, 0.0))

    def measure() -> None:
        for name, (stamp_ns, values) in stand_in.measure().items():
            if name in specification.channels:
                assembler.feed_measurement(name, stamp_ns, values)

    def send(action: FloatArray, stamp_ns: int) -> FloatArray:
        assembler.feed_proposal(stamp_ns, action, "")
        command = safety.project(action).command
        stand_in.command(stamp_ns, command)
        assembler.feed_applied(stamp_ns, command)
        return command

    action = sent = safety.reset(_rest(specification, stand_in))
    driver.reset()
    if not late:
        measure()
    for index in range(ticks):
        tick_ns = start_ns + index * period_ns
        now_s = index * specification.period_s

        if late:
            sent = send(action, tick_ns)
        observation, valid = assembler.observe(tick_ns)
        proposal = driver.decide(
            observation,
            valid,
            wanted(now_s - delay_s + horizon),
            wanted(now_s + horizon - (0.0 if late else specification.period_s)),
            sent,
        )
        action = sent if proposal is None else proposal.actions[0]
        if not late:
            sent = send(action, tick_ns)
        parts = MEASUREMENTS_PER_TICK if late else 1
        for part in range(1, parts + 1):
            stand_in.advance(tick_ns + part * period_ns // parts)
            measure()
        tick = assembler.assemble(first_index + index, tick_ns)
        tick = replace(tick, command=wanted(np.array([now_s - delay_s]))[0])
        driver.record(tick)
        yield tick


def _rest(specification: RobotSpecification, stand_in: StandIn) -> FloatArray:
    """The action from which the first one may depart: the rest, or where the robot says it is."""
    targets = specification.action.targets
    if specification.rest_action is not None:
        return np.array(specification.rest_action)
    if targets is None:
        return np.zeros(specification.action_size)
    for _ in range(MOST_LOST):
        measured = stand_in.measure()
        if targets in measured:
            anchor = np.array(specification.action_anchor) - specification.channel_slice(targets).start
            return np.asarray(measured[targets][1][anchor])
    raise UserError(f"robot {specification.name}: {MOST_LOST} measurements in a row are lost: lose fewer")
