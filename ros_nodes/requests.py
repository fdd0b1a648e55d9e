"""Calls that change what drives the robot: they say who asks and why, and the robot file allows them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParametersAtomically
from rclpy.node import Node

from adapt.errors import UserError
from adapt.robot.access import Access, Call
from ros_nodes.base import EventPublisher

REQUEST = SetParametersAtomically
"""The service's type: named texts in, success and a reason out, with no message package of our own."""
MOST_TEXT = 500


def request_of(caller: str, reason: str) -> SetParametersAtomically.Request:
    """What to send to such a service."""
    texts = {"caller": caller, "reason": reason}
    values = {
        name: ParameterValue(type=ParameterType.PARAMETER_STRING, string_value=text)
        for name, text in texts.items()
    }
    parameters = [Parameter(name=name, value=value) for name, value in values.items()]
    return REQUEST.Request(parameters=parameters)


Action = Callable[[str, str], str]
"""Takes the caller and the reason and gives what to answer; raises UserError to refuse."""


def serve(
    node: Node, service: str, call: Call, access: Access, events: EventPublisher, action: Action
) -> None:
    """Offer `action` as a service of a node.

    Every request is told as an event of kind `request`, with the caller, the reason and the outcome.
    """

    def answer(request: Any, response: Any) -> Any:
        given = {each.name: each.value.string_value[:MOST_TEXT] for each in request.parameters}
        caller, reason = given.get("caller", ""), given.get("reason", "")
        try:
            access.check(call, caller, reason)
            response.result.reason = action(caller, reason)
            response.result.successful = True
        except UserError as error:
            response.result.successful, response.result.reason = False, str(error)
        outcome = response.result.reason or "done"
        detail = {"call": call, "caller": caller, "reason": reason, "outcome": outcome}
        events.publish("request", "info" if response.result.successful else "warning", detail)
        return response

    node.create_service(REQUEST, service, answer)
