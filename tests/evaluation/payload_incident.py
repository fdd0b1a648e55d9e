"""An incident of the stand-in: an SO-101 picks up a payload in mid-run; and a version that knows it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from adapt.bags.incident import Incident, make_card, write_incident
from adapt.bags.topic import RawMessage, describe_topic, standard_types
from adapt.bags.trigger import Capture, Trigger
from adapt.evaluation.adaptation import complete_runs, run_windows
from adapt.learning.rehearsal import load_windows
from adapt.learning.update import UpdateSettings, updated
from adapt.model.checkpoint import load_checkpoint, shipped_checkpoint
from adapt.model.windows import Windows
from adapt.model.world_model import WorldModel
from adapt.planning.pilot import Controller, Pilot
from adapt.planning.settings import PlannerSettings
from adapt.robot.load import load_robot
from adapt.sim.closed_loop import drive
from adapt.sim.reference import ReferencePath
from adapt.sim.stand_in import make_stand_in
from adapt.stream.tick import Tick
from adapt.stream.tick_message import TICK_TOPIC, TICK_TYPE, tick_data, tick_layout

ROBOT = load_robot("so101")
START_NS = 1_700_000_000_000_000_000
FAULT_S = 5.0
PAYLOAD_KG = 0.5


def driven(
    seed: int, seconds: float, payload_after_s: float, controller: Controller = "direct"
) -> list[Tick]:
    """Ticks of a run; by default the reference goes straight to the servos."""
    model, _ = load_checkpoint(shipped_checkpoint(ROBOT), ROBOT)
    stand_in = make_stand_in(ROBOT, "real_arm", seed, START_NS)
    path = ReferencePath(ROBOT, np.zeros(6), seconds, np.random.default_rng(seed))
    pilot = Pilot(ROBOT, model, PlannerSettings(), seed, controller)
    ticks, picked_up = [], False
    for tick in drive(ROBOT, stand_in, pilot, path.position, round(seconds * ROBOT.rate_hz)):
        if not picked_up and stand_in.now_ns >= START_NS + round(payload_after_s * 1e9):
            stand_in.set("payload_mass", PAYLOAD_KG)
            picked_up = True
        ticks.append(tick)
    return ticks


def version_that_knows_the_payload() -> WorldModel:
    """The shipped model after the learner's usual update on a minute with the payload."""
    checkpoint = shipped_checkpoint(ROBOT)
    model, _ = load_checkpoint(checkpoint, ROBOT)
    rehearsal = load_windows(checkpoint.with_suffix(".rehearsal.safetensors"), ROBOT)
    # What a planner makes of it is what the incidents of planned runs are about.
    runs = complete_runs(driven(1, 60.0, 0.0, "planner"))
    windows = Windows.join([run_windows(ROBOT, run, 1) for run in runs])
    return updated(model, rehearsal, UpdateSettings(), windows, seed=0)


def write_payload_incident(store: Path, version: str, ticks: list[Tick]) -> Incident:
    """The incident as the recorder writes it, triggered one second after the fault."""
    stamp_ns = START_NS + round((FAULT_S + 1.0) * 1e9)
    trigger = Trigger(kind="prediction_error", severity="error", stamp_ns=stamp_ns)
    capture = Capture((trigger,), ticks[0].stamp_ns, ticks[-1].stamp_ns)
    card = make_card(capture, ROBOT, versions=[version])
    return write_incident(store, card, [describe_topic(TICK_TOPIC, TICK_TYPE)], tick_messages(ticks))


def tick_messages(ticks: list[Tick]) -> list[RawMessage]:
    store = standard_types()
    dimension = store.types["std_msgs/msg/MultiArrayDimension"]
    layout = store.types["std_msgs/msg/MultiArrayLayout"]
    messages = []
    for tick in ticks:
        labels = [dimension(label=label, size=size, stride=size) for label, size in tick_layout(tick)]
        message = store.types[TICK_TYPE](
            layout=layout(dim=labels, data_offset=0), data=np.array(tick_data(tick))
        )
        data = bytes(store.serialize_cdr(message, TICK_TYPE))
        messages.append(RawMessage(TICK_TOPIC, tick.stamp_ns + 40_000_000, data))
    return messages
