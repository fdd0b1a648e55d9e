"""The one kind of error that a person is expected to cure."""

from __future__ import annotations


class UserError(Exception):
    """Wrong input. The message names the file, the key or topic, and the cure, on one line.

    The command line prints the message and ends with exit code 2; nodes log it and refuse to start.
    """
