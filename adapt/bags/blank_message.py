"""Messages to be filled: every field zero, empty or false, as `rclpy` makes them."""

from __future__ import annotations

from typing import Any

import numpy as np
from rosbags.interfaces import Nodetype
from rosbags.typesys.store import Typestore

from adapt.errors import UserError


def blank_message(types: Typestore, type_name: str) -> Any:
    """A new message of a type of the store.

    Raises:
        UserError: the store has no such type.
    """
    if type_name not in types.fielddefs:
        raise UserError(f"the message type {type_name} is not known here")
    _, fields = types.fielddefs[type_name]
    return types.types[type_name](**{name: _blank(types, description) for name, description in fields})


def _blank(types: Typestore, description: Any) -> Any:
    kind, details = description
    if kind == Nodetype.NAME:
        return blank_message(types, details)
    if kind == Nodetype.BASE:
        name = details[0]
        return "" if name in {"string", "wstring"} else np.dtype(name).type(0).item()
    (inner, content), length = details
    if inner == Nodetype.BASE and content[0] not in {"string", "wstring"}:
        return np.zeros(length, dtype=content[0])
    return [_blank(types, (inner, content)) for _ in range(length)]
