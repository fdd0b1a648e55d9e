"""Who may change what drives the robot: calls that the robot file allows, each with a caller and a reason."""

from __future__ import annotations

import getpass
import os
import socket
from typing import Literal

from adapt.errors import UserError
from adapt.settings import Settings

Call = Literal["arm", "reset", "promote", "rollback", "open_audit"]


class RefusedCallError(UserError):
    """A call that is not allowed, or says neither who nor why."""


class Access(Settings):
    """What may be called from outside. A stop always may, by anybody."""

    allow: tuple[Call, ...] = ()
    """`arm` and `reset` of the safety node; `promote` and `rollback` of a version by hand; `open_audit` of
    the sealed split. What is not named is refused."""

    def check(self, call: Call, caller: str, reason: str) -> None:
        """Let a call pass.

        Raises:
            RefusedCallError: it is not allowed, or does not say who calls and why.
        """
        if call not in self.allow:
            raise RefusedCallError(f"{call} is refused: the robot file's key 'access.allow' does not name it")
        for name, value in (("caller", caller), ("reason", reason)):
            if not value.strip():
                raise RefusedCallError(f"{call} is refused: it gives no {name}; see docs/security.md")


def caller() -> str:
    """Who runs this process, as user@machine. It is what they say of themselves, and proves nothing."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        # A container may run as a number that has no name.
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
