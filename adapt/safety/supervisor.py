"""The last word before the robot: filter, states and watchdog in one object, without ROS or clocks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from adapt.robot.specification import RobotSpecification
from adapt.safety.filter import Projection, SafetyFilter
from adapt.safety.machine import RefusedError, State, StateMachine
from adapt.safety.models import Models
from adapt.safety.proposals import UNSOUND, Proposals
from adapt.safety.rest import Rest
from adapt.safety.watchdog import Problem, Watchdog

FloatArray = npt.NDArray[np.float64]
Report = Callable[[str, Literal["info", "warning"], dict[str, Any]], None]
"""Told of each event: its kind, its severity and its detail."""

# In periods: a proposal is late LATE after the one before, and no two commands are closer than CLOSEST.
# The room between them lets the robot return to the planner's beat after a late proposal.
LATE = 1.5
CLOSEST = 0.8


class Supervisor:
    """Turns proposals and measurements into the commands that may be sent, one a period.

    Whoever owns it tells it of every message, calls `step` then and at `due_ns`, and publishes what
    `step` gives. `now_ns` is of a monotonic clock throughout; stamps are of the robot's clock.

    Attributes:
        counts: how often each limit was applied and each refusal and fallback happened, by reason.
        due_ns: when `step` has to be called at the latest; None while nothing is to be sent.
    """

    def __init__(
        self,
        robot: RobotSpecification,
        report: Report,
        *,
        dry_run: bool = False,
        tail_ticks: int = 3,
        startup_timeout_s: float = 30.0,
    ) -> None:
        """Begin unconfigured.

        Args:
            robot: the robot file; all its limits are present, or it would not have been read.
            report: called on changes of state, refusals and limits applied, in the caller's thread.
            dry_run: never arm.
            tail_ticks: how many ticks the rest of a plan is followed when the next one is late.
            startup_timeout_s: how long after arming the first proposal may take; and how long the sensors
                may be missing before that is reported.
        """
        self.counts: Counter[str] = Counter()
        self.due_ns: int | None = None
        self._robot = robot
        self._report = report
        self._dry_run = dry_run
        self._startup_ns = 1e9 * startup_timeout_s
        self._period_ns = 1e9 / robot.rate_hz
        self._filter = SafetyFilter(robot)
        self._machine = StateMachine()
        self._watchdog = Watchdog(robot)
        self._models = Models(self._period_ns)
        self._rest = Rest(robot, self._filter, self._watchdog)
        self._proposals = Proposals(robot.action_size, self._period_ns, tail_ticks)
        self._sent_ns: int | None = None
        self._armed_ns = 0
        self._waiting_ns: int | None = None
        self._slack = 1.0

    @property
    def state(self) -> State:
        """The present state."""
        return self._machine.state

    def measurement(self, channel: str, values: FloatArray, stamp_ns: int | None, now_ns: int) -> None:
        """Take in a message of a sensor: values in the order of `channel`; see `Watchdog.measurement`."""
        if reason := self._watchdog.measurement(channel, values, stamp_ns, now_ns):
            self._refuse(f"measurement_{reason}", {"channel": channel})

    def clock(self, stamp_ns: int, now_ns: int) -> None:
        """Take in what the robot's clock shows at `now_ns`."""
        self._watchdog.clock("safety", stamp_ns, now_ns)

    def model(self, version: str, now_ns: int) -> None:
        """Take in with which version the planner says it drives."""
        self._models.tell(version, now_ns)

    def verified(self, version: str, problem: str | None) -> None:
        """Take in what was found of a version's file: that it is sound (None), or why not."""
        self._models.verify(version, problem)

    def propose(
        self, points: Sequence[FloatArray], version: str, stamp_ns: int, clock_ns: int, now_ns: int
    ) -> None:
        """Take in a proposal made with `version`; see `Models.refusal` and `Proposals.offer`.

        An unsound one leads to the fallback at once; one that is refused, when there is no plan left.
        """
        self._judge(now_ns)
        reason = self._models.refusal(version, now_ns) or self._proposals.offer(
            points, stamp_ns, clock_ns, now_ns
        )
        if reason is not None:
            self._refuse(f"proposal_{reason}", {})
            if reason in UNSOUND and self.state is State.RUNNING:
                self._fall_back(f"proposal_{reason}", now_ns)
        elif self.state is State.DRY_RUN:
            self._rehearse(now_ns)
        elif self.state is State.RUNNING:
            self.due_ns = self._earliest(now_ns)
        elif self._machine.allows("proceed") and self._watchdog.problem(now_ns) is None:
            if self.state is State.ARMED:
                self._filter.reset(self._rest.point())
                self._sent_ns = None
            self.due_ns = self._earliest(now_ns)
            self._change("proceed", "proposal")

    def arm(self, now_ns: int) -> None:
        """Let the next good proposal move the robot.

        Raises:
            RefusedError: this is a dry run, the state is another, or the sensors cannot be trusted.
        """
        if self._dry_run:
            raise RefusedError("arm is refused: the parameter 'dry_run' is true")
        problem = self._obstacle(now_ns)
        if problem is not None and self.state in (State.UNCONFIGURED, State.DRY_RUN):
            raise RefusedError(f"arm is refused: {problem.message}")
        self._change("arm", "called")
        self._armed_ns = now_ns

    def stop(self, now_ns: int, reason: str = "called") -> None:
        """Bring the robot to rest, and keep it there until a reset; again when stopped, do nothing."""
        if self.state is State.STOPPED:
            return
        moving = self.state in (State.RUNNING, State.FALLBACK)
        self.due_ns = self._earliest(now_ns) if moving else None
        self._change("stop", reason)

    def reset(self) -> None:
        """Leave the stop; the robot moves again only after arming.

        Raises:
            RefusedError: nothing is stopped, or the robot is not yet at rest.
        """
        if self.state is State.STOPPED and self.due_ns is not None:
            raise RefusedError("reset is refused: the robot is not yet at rest; try again")
        self._change("reset", "called")

    def step(self, now_ns: int) -> FloatArray | None:
        """The command to publish now, shape (A,), or None while none is due."""
        self._judge(now_ns)
        if self.due_ns is None or now_ns < self.due_ns:
            return None
        command = self._follow(now_ns) if self.state is State.RUNNING else None
        next_ns, falls_silent = self.due_ns + self._period_ns, False
        if command is None:
            kind = self._robot.fallback.kind if self.state is State.FALLBACK else "stop"
            command = self._rest.step(kind).command
            falls_silent = kind == "stop" and self._filter.at_rest
        elif self._proposals.followed == 1 and self._proposals.arrived_ns is not None:
            # It may have waited for its turn: the next one is expected by when it came.
            next_ns = self._proposals.arrived_ns + LATE * self._period_ns
        self._sent_ns = now_ns
        self._watchdog.commanded(None if falls_silent else command, now_ns)
        self.due_ns = None if falls_silent else max(round(next_ns), self._earliest(now_ns))
        return command

    def diagnostics(self, now_ns: int) -> dict[str, str]:
        """What there is to know, for people. `slack` is the least since the last call."""
        self._judge(now_ns)
        problem = self._obstacle(now_ns)
        arrived = self._proposals.arrived_ns
        values = {
            "state": self.state.value,
            "problem": "none" if problem is None else problem.message,
            "last_proposal_age_s": "none" if arrived is None else f"{(now_ns - arrived) / 1e9:.3f}",
            "slack": f"{self._slack:.3f}",
        }
        self._slack = 1.0
        return values | {f"count/{reason}": str(count) for reason, count in sorted(self.counts.items())}

    def _judge(self, now_ns: int) -> None:
        """Change the state where time or the sensors ask for it."""
        if self.state is State.UNCONFIGURED:
            self._wait_for_sensors(now_ns)
        elif self.state is State.ARMED:
            if problem := self._watchdog.problem(now_ns) or self._rest.obstacle():
                self._change("disarm", problem.kind)
            elif now_ns - self._armed_ns > self._startup_ns:
                self._change("disarm", "no_proposal")
        elif self.state is State.RUNNING and (problem := self._watchdog.problem(now_ns)):
            self._fall_back(problem.kind, now_ns)

    def _wait_for_sensors(self, now_ns: int) -> None:
        problem = self._watchdog.problem(now_ns)
        if problem is None:
            self._waiting_ns = None
            self._change("configure", "sensors")
        elif self._waiting_ns is None:
            self._waiting_ns = now_ns
        elif now_ns - self._waiting_ns > self._startup_ns:
            self._waiting_ns = now_ns
            self._refuse("startup_late", {"problem": problem.message})

    def _obstacle(self, now_ns: int) -> Problem | None:
        """Why the robot may not be set in motion, or None."""
        return self._watchdog.problem(now_ns) or self._rest.obstacle() or self._models.problem()

    def _earliest(self, now_ns: int) -> int:
        """The earliest time for the next command."""
        if self._sent_ns is None:
            return now_ns
        return max(now_ns, round(self._sent_ns + CLOSEST * self._period_ns))

    def _rehearse(self, now_ns: int) -> None:
        """In a dry run: project as if it were sent, from rest where the proposals had a gap."""
        if self._sent_ns is None or now_ns - self._sent_ns > LATE * self._period_ns:
            self._filter.reset(self._rest.point())
        self._follow(now_ns)
        self._sent_ns = now_ns

    def _follow(self, now_ns: int) -> FloatArray | None:
        """The next step of the plan; None, and the fallback, where there is none to be followed."""
        proposal = self._proposals.follow()
        if proposal is None:
            self._fall_back("proposal_late", now_ns)
            return None
        if self._proposals.followed > 1:
            self.counts["followed_tail"] += 1
        projection = self._filter.project(proposal, self._rest.measured())
        self._account(projection)
        return projection.command

    def _account(self, projection: Projection) -> None:
        self._slack = min(self._slack, projection.slack)
        if projection.solver in ("late", "infeasible"):
            self.counts[f"clamped_{projection.solver}"] += 1
        if projection.reason is not None and projection.entry is not None:
            reason = f"limited_{projection.reason}"
            self.counts[reason] += 1
            self._report(reason, "info", {"entry": self._robot.action.entries[projection.entry]})

    def _fall_back(self, reason: str, now_ns: int) -> None:
        self.counts[f"fallback_{reason}"] += 1
        self.due_ns = self._earliest(now_ns)
        self._change("fall_back", reason)

    def _refuse(self, reason: str, detail: dict[str, Any]) -> None:
        self.counts[reason] += 1
        self._report(reason, "warning", detail)

    def _change(self, transition: str, reason: str) -> None:
        before = self.state
        after = self._machine.apply(transition)
        grave = after in (State.FALLBACK, State.STOPPED)
        detail = {"from": before.value, "reason": reason}
        self._report(f"safety_{after.value}", "warning" if grave else "info", detail)
