"""How fast bags are replayed, in how much memory, and whether the same replay gives the same bytes."""

from __future__ import annotations

import hashlib
import resource
import time
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib import import_module
from io import StringIO
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from adapt.bags.blank_message import blank_message
from adapt.bags.topic import standard_types
from adapt.bags.writer import BagWriter
from adapt.robot.specification import RobotSpecification
from adapt.sim.reference import ReferencePath
from adapt.sim.stand_in import make_stand_in
from adapt.stream.encode import MeasurementWriter, write_field, write_stamp

START_NS = 1_700_000_000_000_000_000
PIECE_S = 60.0
"""A long bag is this much motion over and over: what is measured is the replay."""


@dataclass(frozen=True, slots=True)
class ReplayRun:
    """One replay, in a process of its own.

    Attributes:
        seconds: from the first message to the written report; loading the program is not counted.
        cpu_seconds: the same in time of the processor, for machines that do other work beside it.
        digest: of `report.json`.
        peak_mb: most memory of the process.
    """

    seconds: float
    cpu_seconds: float
    digest: str
    peak_mb: float


def write_motion_bag(folder: Path, specification: RobotSpecification, minutes: float, seed: int = 0) -> Path:
    """A bag of a servo arm's stand-in that is told a smooth random path: states at twice the tick rate.

    Raises:
        UserError: the robot cannot be simulated as an arm.
    """
    action, period_ns = specification.action, round(specification.period_s * 1e9)
    stand_in = make_stand_in(specification, None, seed, START_NS)
    start, generator = np.zeros(specification.action_size), np.random.default_rng(seed)
    beats = round(min(PIECE_S, minutes * 60) * specification.rate_hz)
    path = ReferencePath(specification, start, PIECE_S, generator)

    def blank(topic: str, kind: str) -> Any:
        return blank_message(standard_types(), kind)

    measurements = MeasurementWriter(specification.channels, blank)
    piece: list[tuple[str, int, Any]] = []
    for beat, wanted in enumerate(path.position(np.arange(beats) / specification.rate_hz)):
        now_ns = START_NS + beat * period_ns
        stand_in.command(now_ns, wanted)
        command = blank(action.topic, action.type)
        write_field(command, action, wanted, action.entries)
        piece.append((action.topic, now_ns, command))
        for part in (1, 2):
            stand_in.advance(now_ns + part * period_ns // 2)
            known = {key: each for key, each in stand_in.measure().items() if key in specification.channels}
            piece += [(topic, stand_in.now_ns, message) for topic, message in measurements.messages(known)]
    with BagWriter(folder) as writer:
        for topic, kind in {**measurements.topics, action.topic: action.type}.items():
            writer.add_topic(topic, kind)
        for number in range(max(1, round(minutes * 60 / PIECE_S))):
            for topic, stamp_ns, message in piece:
                shifted_ns = stamp_ns + number * beats * period_ns
                write_stamp(message, shifted_ns)
                writer.write_message(topic, shifted_ns, message)
    return folder


def replay_alone(arguments: dict[str, Any]) -> ReplayRun:
    """Run the command `adapt replay` with these arguments in a process of its own.

    Raises:
        UserError: what the command raises.
    """
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(_replay, (arguments,))


def _replay(arguments: dict[str, Any]) -> ReplayRun:
    # Loading the program is not counted, so all that the command needs is loaded before.
    import_module("adapt.evaluation.replay_report")
    from adapt.commands.replay import replay

    before, cpu_before = time.perf_counter(), time.process_time()
    with redirect_stdout(StringIO()):
        replay(**arguments)
    seconds, cpu_seconds = time.perf_counter() - before, time.process_time() - cpu_before
    digest = hashlib.sha256((arguments["out"] / "report.json").read_bytes()).hexdigest()
    # Of Linux, in KiB.
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return ReplayRun(seconds, cpu_seconds, digest, peak_mb)
