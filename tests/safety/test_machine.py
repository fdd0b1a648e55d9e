import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from adapt.safety.machine import TRANSITIONS, RefusedError, State, StateMachine


class AnySequence(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.machine = StateMachine()
        self.armed_since_rest = False
        self.stopped = False

    @rule(transition=st.sampled_from(sorted(TRANSITIONS)))
    def apply(self, transition):
        before = self.machine.state
        try:
            after = self.machine.apply(transition)
        except RefusedError:
            assert self.machine.state is before
            return
        if transition == "arm":
            self.armed_since_rest = True
        if after in (State.UNCONFIGURED, State.DRY_RUN, State.STOPPED):
            self.armed_since_rest = False
        if transition == "stop":
            self.stopped = True
        if transition == "reset":
            self.stopped = False

    @invariant()
    def motion_needs_arming(self):
        if self.machine.state in (State.ARMED, State.RUNNING, State.FALLBACK):
            assert self.armed_since_rest

    @invariant()
    def a_stop_is_left_by_a_reset_alone(self):
        assert self.stopped == (self.machine.state is State.STOPPED)


TestAnySequence = AnySequence.TestCase


def test_every_state_can_be_stopped_and_a_refusal_says_what_is_needed():
    machine = StateMachine()
    with pytest.raises(RefusedError, match="arm is refused while unconfigured: it starts from dry_run"):
        machine.apply("arm")
    for transition in ["configure", "arm", "proceed", "fall_back", "stop"]:
        assert machine.allows("stop")
        machine.apply(transition)
    assert machine.state is State.STOPPED and not machine.allows("stop")
