"""Topics whose types are known only by name, as in a robot file or a bag."""

from __future__ import annotations

from importlib import import_module

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from adapt.bags.topic import QualityOfService
from adapt.errors import UserError


def message_class(topic: str, type_name: str) -> type:
    """The class of a message type such as sensor_msgs/msg/JointState.

    Raises:
        UserError: its package is not installed.
    """
    package, _, name = type_name.split("/")
    try:
        found: type = getattr(import_module(f"{package}.msg"), name)
    except (ImportError, AttributeError) as error:
        raise UserError(f"topic {topic}: the type {type_name} is not installed: install {package}") from error
    return found


def qos_profile(qos: QualityOfService) -> QoSProfile:
    """QoS for rclpy."""
    return QoSProfile(
        depth=qos.depth,
        reliability=ReliabilityPolicy.RELIABLE if qos.reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if qos.transient_local else DurabilityPolicy.VOLATILE,
    )
