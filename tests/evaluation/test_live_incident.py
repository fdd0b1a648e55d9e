"""An arm over DDS picks up a payload in mid-run: recorded, blessed, and told apart by versions."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("rclpy")

from payload_incident import PAYLOAD_KG, ROBOT, version_that_knows_the_payload

from adapt.bags.incident import Criterion, bless, list_incidents
from adapt.evaluation.incident_library import judge, load_versions
from adapt.model.checkpoint import load_card, shipped_checkpoint
from ros_nodes.node_table import Options
from ros_nodes.operator import Operator
from ros_nodes.up import Stack

SHIPPED = load_card(shipped_checkpoint(ROBOT)).version


@pytest.mark.ros
@pytest.mark.slow
def test_an_incident_of_the_stand_in_tells_versions_apart(domain: int, tmp_path: Path) -> None:
    options = Options(
        robot="so101",
        store=tmp_path,
        sim=True,
        scenario="real_arm",
        without=frozenset({"learner"}),
        overrides={"recorder": {"before_s": 8.0, "after_s": 12.0, "longest_s": 30.0}},
    )
    with Stack(options) as stack:
        stack.start()
        operator = Operator(ROBOT)
        try:
            stack.arm()
            assert operator.wait_until(lambda: len(operator.ticks) > 10 * ROBOT.rate_hz, 30.0)
            operator.inject("payload_mass", PAYLOAD_KG)
            fault_ns = operator.now_ns()
            operator.trigger("/recorder/trigger")
            assert operator.wait_until(lambda: bool(operator.events_of("incident")), 40.0)
        finally:
            operator.close()
        assert not stack.deaths()
    incident = next(
        each for each in list_incidents(tmp_path) if each.card.start_ns < fault_ns < each.card.end_ns
    )
    card = incident.card
    assert card.versions[-1] == SHIPPED and card.messages["/adapt/forecast"] > 100
    assert card.believed is not None and "<svg" in (incident.folder / "picture.svg").read_text()
    models = load_versions(tmp_path, ROBOT, [SHIPPED])
    models["knows the payload"] = version_that_knows_the_payload()
    after_s = (fault_ns - card.stamp_ns) * 1e-9
    stretch = Criterion(at_most=1.0, unit="rad", from_s=after_s + 0.2)
    failed, _ = judge(ROBOT, bless(incident, stretch), models)
    # Every run is another: what is clearly better than the version that drove passes.
    criterion = stretch.model_copy(update={"at_most": 0.95 * failed.error})
    verdicts = judge(ROBOT, bless(incident, criterion), models)
    assert [each.passed for each in verdicts] == [False, True], verdicts
