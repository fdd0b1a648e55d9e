"""The limit of jerk: what is sent is the mean of the last safe commands."""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

from adapt.robot.specification import RobotSpecification

FloatArray = npt.NDArray[np.float64]


class Smoothing:
    """The mean of the last n commands, with n as small as the limits of jerk allow; 1 where there are none.

    The acceleration of the mean changes within one tick by (a - a_n) / n, with a that of the last command and
    a_n that of the one n ticks before. Both are at most A, so with n >= 2 A / (J T) the jerk is at most J
    (Biagiotti and Melchiorri, FIR filters for online trajectory planning, Control Engineering Practice 2012).
    All other limits hold of the mean because they hold of each command and are convex; and it comes to rest
    n - 1 ticks after them. All entries have the same n: couplings are of commands of one time.

    Attributes:
        ticks: n.
    """

    def __init__(self, robot: RobotSpecification) -> None:
        limits = robot.action.limits.values()
        wanted = [
            2.0 * each.acceleration / (each.jerk * robot.period_s) for each in limits if each.jerk is not None
        ]
        self.ticks = max(1, int(np.ceil(max(wanted, default=1.0))))
        self._commands: deque[FloatArray] = deque(maxlen=self.ticks)

    def reset(self, command: FloatArray) -> None:
        """Begin at rest at `command`, shape (A,)."""
        self._commands.extend([command] * self.ticks)

    def follow(self, command: FloatArray) -> FloatArray:
        """Take in a command, shape (A,); gives the next one to send."""
        self._commands.append(command)
        return self.last

    @property
    def last(self) -> FloatArray:
        """What was sent last, shape (A,)."""
        return np.asarray(np.mean(self._commands, axis=0))

    @property
    def settled(self) -> bool:
        """Whether the last n commands were the same."""
        return all((each == self._commands[-1]).all() for each in self._commands)
