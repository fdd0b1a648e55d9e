from __future__ import annotations

import pytest

pytest.importorskip("rclpy")

from ros_nodes.recorder_load import burden

pytestmark = pytest.mark.ros


def test_a_thousand_messages_a_second_are_all_kept_while_an_incident_is_written(domain: int) -> None:
    found = burden("so101", 1000.0, 3.0)
    assert found.recorded == found.sent > 2500
    assert found.incident == found.incident_due > 1000
    assert found.dropped == 0 and 0 < found.cpu_fraction < 1
