"""The pilot drives a stand-in in simulated time, without ROS: for benchmarks and for tests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from adapt.planning.pilot import Pilot
from adapt.robot.specification import RobotSpecification
from adapt.safety.filter import SafetyFilter
from adapt.sim.reference import ReferencePath
from adapt.sim.stand_in import StandIn
from adapt.stream.assembler import TickAssembler
from adapt.stream.tick import FloatArray, Tick

MEASUREMENTS_PER_TICK = 2


def drive(
    specification: RobotSpecification,
    stand_in: StandIn,
    pilot: Pilot,
    path: ReferencePath,
    ticks: int,
    first_index: int = 0,
) -> Iterator[Tick]:
    """Run one episode and give its ticks as they become complete.

    Time and meaning are those of the live nodes: an action leaves on the beat of its tick, having been
    planned in the tick before, and passes the safety filter on its way.

    Args:
        specification: the robot.
        stand_in: the simulated hardware, wherever it is now; the path is expected to start there.
        pilot: makes the proposals; its history is begun anew.
        path: the reference, from the first tick on.
        ticks: length of the episode.
        first_index: number of the first tick.
    """
    period_ns = round(specification.period_s * 1e9)
    start_ns = stand_in.now_ns
    channel = specification.action.targets
    assert channel is not None
    delay_s = specification.sampling_delay_s
    assembler = TickAssembler(specification)
    safety = SafetyFilter(specification)
    horizon: FloatArray = np.arange(1.0, specification.horizon_ticks + 1.0) * specification.period_s

    def wanted(times: FloatArray) -> FloatArray:
        return path.position(np.maximum(times, 0.0))

    measured = stand_in.measure()
    sent = safety.reset(stand_in.true_position if measured is None else measured[1])
    action, version = sent, ""
    pilot.reset()
    for index in range(ticks):
        tick_ns = start_ns + index * period_ns
        now_s = index * specification.period_s
        assembler.feed_proposal(tick_ns, action, version)
        sent = safety.project(action).command
        stand_in.command(tick_ns, sent)
        assembler.feed_applied(tick_ns, sent)
        observation, valid = assembler.observe(tick_ns)
        proposal = pilot.decide(
            observation, valid, wanted(now_s - delay_s + horizon), wanted(now_s + horizon), sent
        )
        action = sent if proposal is None else proposal.actions[0]
        for part in range(1, MEASUREMENTS_PER_TICK + 1):
            stand_in.advance(tick_ns + part * period_ns // MEASUREMENTS_PER_TICK)
            measurement = stand_in.measure()
            if measurement is not None:
                assembler.feed_measurement(channel, measurement[0], measurement[1])
        tick = assembler.assemble(first_index + index, tick_ns)
        tick = replace(tick, command=wanted(np.array([now_s - delay_s]))[0])
        pilot.record(tick)
        yield tick
