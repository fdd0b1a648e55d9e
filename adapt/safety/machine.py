"""The states of the safety node, and the only ways from one to another."""

from __future__ import annotations

from enum import Enum

from adapt.errors import UserError


class State(str, Enum):
    """What the safety node does with proposals."""

    UNCONFIGURED = "unconfigured"
    """Not every sensor has spoken yet: nothing is computed."""
    DRY_RUN = "dry_run"
    """Proposals are projected and reported; nothing is sent."""
    ARMED = "armed"
    """The next good proposal sets the robot in motion."""
    RUNNING = "running"
    """Safe commands go to the robot."""
    FALLBACK = "fallback"
    """Something cannot be trusted: the robot is brought to rest, until the next good proposal."""
    STOPPED = "stopped"
    """The robot is brought to rest and stays there, until a reset."""


TRANSITIONS: dict[str, dict[State, State]] = {
    "configure": {State.UNCONFIGURED: State.DRY_RUN},
    "arm": {State.DRY_RUN: State.ARMED},
    "disarm": {State.ARMED: State.DRY_RUN},
    "proceed": {State.ARMED: State.RUNNING, State.FALLBACK: State.RUNNING},
    "fall_back": {State.RUNNING: State.FALLBACK},
    "stop": {state: State.STOPPED for state in State if state is not State.STOPPED},
    "reset": {State.STOPPED: State.UNCONFIGURED},
}


class RefusedError(UserError):
    """A call that the present state does not allow."""


class StateMachine:
    """Holds the state; `apply` is the only way to change it."""

    def __init__(self) -> None:
        self._state = State.UNCONFIGURED

    @property
    def state(self) -> State:
        """The present state."""
        return self._state

    def allows(self, transition: str) -> bool:
        """Whether `transition` leads anywhere from here."""
        return self._state in TRANSITIONS[transition]

    def apply(self, transition: str) -> State:
        """Make a transition of `TRANSITIONS` and give the new state.

        Raises:
            RefusedError: it does not start from the present state, which stays.
        """
        if not self.allows(transition):
            starts = " or ".join(state.value for state in TRANSITIONS[transition])
            raise RefusedError(f"{transition} is refused while {self._state.value}: it starts from {starts}")
        self._state = TRANSITIONS[transition][self._state]
        return self._state
