"""Whether ROS 2 may start here at all, and how it talks. Imports no ROS: it speaks before ROS does."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from adapt.errors import UserError

SOURCED = ("AMENT_PREFIX_PATH", "ROS_DISTRO")
RANGE = "ROS_AUTOMATIC_DISCOVERY_RANGE"
PROFILES = ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE")
"""Where Fast DDS looks for profiles; the second is its former name."""
THIS_MACHINE = str(Path(__file__).with_name("this_machine.xml"))
"""What a range of LOCALHOST means, for Fast DDS, but over UDP alone."""


def stay_on_this_machine(environment: MutableMapping[str, str]) -> None:
    """Discover and be discovered on this machine only; to be called before ROS starts."""
    environment[RANGE] = "LOCALHOST"
    avoid_shared_memory(environment)


def avoid_shared_memory(environment: MutableMapping[str, str]) -> None:
    """Let Fast DDS talk over UDP alone, unless its transports were chosen by hand.

    Its shared memory is no place for processes that may be killed or stopped at any instant: who comes
    after a killed one may hear nothing (eProsima/Fast-DDS issues 2811, 5053 and 5469), and who writes to one
    that was stopped may have to wait. With a range of LOCALHOST, rmw_fastrtps adds shared memory whatever
    FASTDDS_BUILTIN_TRANSPORTS says, so that the range is then set by a profile instead.
    """
    if any(environment.get(name, THIS_MACHINE) != THIS_MACHINE for name in PROFILES):
        return
    if environment.get(RANGE, "").upper() == "LOCALHOST":
        environment[RANGE] = "SYSTEM_DEFAULT"
        environment[PROFILES[0]] = THIS_MACHINE
    environment.setdefault("FASTDDS_BUILTIN_TRANSPORTS", "UDPv4")


def is_on_this_machine(environment: Mapping[str, str]) -> bool:
    """Whether nobody on another machine can discover what is started here."""
    named = environment.get(RANGE, "").upper() in ("LOCALHOST", "OFF")
    return named or environment.get(PROFILES[0]) == THIS_MACHINE


def open_discovery(environment: Mapping[str, str]) -> str | None:
    """A warning where any machine of the network may find our nodes and call them, and none has to prove
    who it is; None where discovery ends at this machine, or DDS security is enforced.
    """
    secure = environment.get("ROS_SECURITY_ENABLE", "").lower() == "true"
    if secure and environment.get("ROS_SECURITY_STRATEGY") == "Enforce":
        return None
    # Humble knows only this; later releases prefer the range, where it is set.
    local = is_on_this_machine(environment) or (
        not environment.get(RANGE) and environment.get("ROS_LOCALHOST_ONLY") == "1"
    )
    if local and not environment.get("ROS_STATIC_PEERS"):
        return None
    return (
        "discovery is open beyond this machine and without DDS security: anybody on the network may command"
        " the robot: set ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST (Humble: ROS_LOCALHOST_ONLY=1), or see"
        " docs/security.md"
    )


def refuse_mixed_installations(environment: Mapping[str, str]) -> None:
    """Refuse ROS 2 from the package index in a shell where another ROS 2 is sourced.

    The libraries of the two are mixed by their search paths and crash in C++, with no word on why.
    The wheels themselves set neither variable.

    Raises:
        UserError: both are there; the message names the variable and the cure.
    """
    try:
        wheels = version("ros-rclpy")
    except PackageNotFoundError:
        return
    for variable in SOURCED:
        if variable in environment:
            raise UserError(
                f"environment: {variable}={environment[variable]} is set, but this Python has a ROS 2 of its"
                f" own (ros-rclpy {wheels}): use a shell in which no setup.bash was sourced"
            )
