"""The faults that are tried, one by one in the tests and at random in the soak, with what is promised."""

from __future__ import annotations

import os
import resource
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapt.sim.faults import Fault
from ros_nodes.busy_processes import busy_processes
from ros_nodes.fault_stage import Stage
from ros_nodes.network import NETWORK_WENT
from ros_nodes.own_network import interrupted_network
from ros_nodes.processes import Death

UNLIMITED = resource.RLIM_INFINITY
Strike = Callable[[Stage], AbstractContextManager[object]]


@dataclass(frozen=True)
class Trial:
    """One fault, and what is promised besides that no limit is broken and the robot is driven again.

    Attributes:
        name: in the tests, the soak and docs/faults.md.
        strike: brings it about; leaving what it yields takes it back.
        lasts_s: how long it is left in force.
        reasons: why the safety node may fall back meanwhile; with any other it would be unexplained.
        falls_back: it has to, for one of them.
        ends: nodes whose processes may end by it.
        gives_up: last words of any other node that may end by it: one that was just starting.
        shows_s: it may take so long until what came of it is known outside.
        own_network: it can only be tried where the stack has a network of its own.
    """

    name: str
    strike: Strike
    lasts_s: float = 0.0
    reasons: frozenset[str] = frozenset()
    falls_back: bool = False
    ends: frozenset[str] = frozenset()
    gives_up: str | None = None
    shows_s: float = 0.5
    own_network: bool = False


def killed(node: str) -> Strike:
    """End a node's process at whatever instruction it is."""

    @contextmanager
    def strike(stage: Stage) -> Iterator[None]:
        process = stage.process(node)
        os.kill(process.pid, signal.SIGKILL)
        yield
        stage.until(lambda: process.exit_code is not None, f"end of the node '{node}'")

    return strike


def frozen(node: str) -> Strike:
    """Stop a node's process, and let it go on in the end."""

    @contextmanager
    def strike(stage: Stage) -> Iterator[None]:
        process = stage.process(node)
        os.kill(process.pid, signal.SIGSTOP)
        yield
        if process.exit_code is None:
            os.kill(process.pid, signal.SIGCONT)

    return strike


def hung(node: str) -> Strike:
    """Stop a node's process for good."""

    @contextmanager
    def strike(stage: Stage) -> Iterator[None]:
        process = stage.process(node)
        os.kill(process.pid, signal.SIGSTOP)
        yield
        stage.until(lambda: process.exit_code is not None, f"end of the node '{node}', which hangs")

    return strike


def sensed(kind: str, duration_s: float, **more: float) -> Strike:
    """Let what the stand-in measures arrive wrong; see `adapt.sim.faults.Fault`."""
    fault = Fault.model_validate({"kind": kind, "duration_s": duration_s, **more})

    @contextmanager
    def strike(stage: Stage) -> Iterator[None]:
        stage.strike(fault)
        yield

    return strike


def no_processor(stage: Stage) -> AbstractContextManager[object]:
    """Twice as many busy processes as there are cores."""
    return busy_processes(2 * (os.cpu_count() or 1))


@contextmanager
def no_disk(stage: Stage) -> Iterator[None]:
    """No process of ours can write to a file any more, as if the disk were full; an incident is due."""
    with ExitStack() as limits:
        for process in stage.stack.processes.values():
            limits.enter_context(_limited(process.pid, resource.RLIMIT_FSIZE, 1))
        stage.witness.call("/recorder/trigger")
        yield
    stage.witness.call("/learner/resume")


def no_memory(node: str) -> Strike:
    """A node's process gets no more memory."""

    @contextmanager
    def strike(stage: Stage) -> Iterator[None]:
        pid = stage.process(node).pid
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
        with _limited(pid, resource.RLIMIT_AS, pages * resource.getpagesize()):
            yield

    return strike


@contextmanager
def _limited(pid: int, limit: int, most: int) -> Iterator[None]:
    """A soft limit of another process, taken back where it still lives."""
    resource.prlimit(pid, limit, (most, UNLIMITED))
    yield
    if Path(f"/proc/{pid}").exists():
        resource.prlimit(pid, limit, (UNLIMITED, UNLIMITED))


@contextmanager
def no_network(stage: Stage) -> Iterator[None]:
    """Nothing that is sent arrives: DDS loses everybody and has to find them again."""
    with interrupted_network():
        yield
        # The witness is cut off, too: what was sent meanwhile it cannot judge.
        stage.witness.limits.missed()


@dataclass(frozen=True)
class Outcome:
    """What came of a trial.

    Attributes:
        fallbacks: the reasons that the safety node gave, in order.
        deaths: of nodes.
        seconds: until the robot was driven again, from the end of the fault on.
        broken: promises, in words; empty where all were kept.
        by_others: what other work on this machine explains, in words.
    """

    fallbacks: tuple[str, ...]
    deaths: tuple[Death, ...]
    seconds: float
    broken: tuple[str, ...]
    by_others: tuple[str, ...] = ()


def try_fault(stage: Stage, trial: Trial) -> Outcome:
    """Let a fault strike a robot that is driven, and wait until it is driven again.

    Raises:
        UserError: that takes longer than two minutes.
    """
    limits, dead, since_ns = Counter(stage.witness.limits.broken), len(stage.deaths), time.time_ns()
    with trial.strike(stage):
        stage.wait(trial.lasts_s)
    ended_s = time.monotonic()
    stage.wait(trial.shows_s)
    stage.until_running()
    seconds = time.monotonic() - ended_s
    with stage.witness.news:
        events = [each for each in stage.witness.events if each["stamp_ns"] >= since_ns]
        broken = [f"limit of {name}" for name in stage.witness.limits.broken - limits]
    fallbacks = tuple(each["detail"]["reason"] for each in events if each["kind"] == "safety_fallback")
    deaths = tuple(stage.deaths[dead:])
    unasked, by_others = unasked_fallbacks(stage, events, trial.reasons)
    broken += unasked
    broken += ["did not fall back"] * (trial.falls_back and not fallbacks)
    broken += [str(death) for death in deaths if not _explains(trial, death)]
    return Outcome(fallbacks, deaths, seconds, tuple(broken), tuple(by_others))


def unasked_fallbacks(
    stage: Stage, events: Iterable[dict[str, Any]], reasons: frozenset[str] = frozenset()
) -> tuple[list[str], list[str]]:
    """Fallbacks for none of these reasons, in words: those that nothing explains, and those of nodes that
    were late while others had the processors.
    """
    unasked, by_others = [], []
    for each in events:
        if each["kind"] != "safety_fallback" or (reason := each["detail"]["reason"]) in reasons:
            continue
        explanation = stage.other_work.explains(each["stamp_ns"]) if reason in UNSEEN else ""
        if explanation:
            by_others.append(f"fell back: {reason}: {explanation}")
        else:
            unasked.append(f"fell back: {reason}")
    return unasked, by_others


def _explains(trial: Trial, death: Death) -> bool:
    gave_up = trial.gives_up is not None and trial.gives_up in death.last_words
    return death.node in trial.ends or gave_up


LATE = frozenset({"proposal_late"})
UNSEEN = frozenset({"sensor_late", "proposal_late"})
FROZEN = frozenset({"sensor_frozen", "sensor_leap"})
JUMPED = frozenset({"clock_jump", "proposal_late"})
LEAPT = frozenset({"sensor_leap"})

TRIALS: tuple[Trial, ...] = (
    Trial("planner killed", killed("planner"), 0.0, LATE, True, frozenset({"planner"})),
    Trial("planner frozen", frozen("planner"), 1.0, LATE, True),
    Trial("planner hangs", hung("planner"), 0.0, LATE, True, frozenset({"planner"})),
    Trial(
        "planner without memory", no_memory("planner"), 3.0, LATE, ends=frozenset({"planner"}), shows_s=3.0
    ),
    Trial("learner killed", killed("learner"), ends=frozenset({"learner"})),
    Trial("learner frozen", frozen("learner"), 2.0),
    Trial("learner without memory", no_memory("learner"), 3.0, ends=frozenset({"learner"}), shows_s=3.0),
    Trial("recorder killed", killed("recorder"), ends=frozenset({"recorder"})),
    Trial("recorder frozen", frozen("recorder"), 2.0),
    Trial("safety node killed", killed("safety"), ends=frozenset({"safety"})),
    Trial("safety node frozen", frozen("safety"), 1.0, UNSEEN),
    Trial("sensors lost", sensed("lost", 1.0), 1.0, UNSEEN, True),
    Trial("some sensors lost", sensed("lost", 2.0, share=0.3), 2.0, UNSEEN),
    Trial("sensors late", sensed("late", 1.0, size=0.3), 1.0, UNSEEN, True),
    Trial("sensors duplicated", sensed("duplicated", 1.0), 1.0),
    Trial("sensors reordered", sensed("reordered", 1.0), 1.0),
    Trial("sensors frozen", sensed("frozen", 3.0), 3.0, FROZEN, True),
    Trial("sensors not finite", sensed("not_finite", 1.0), 1.0, UNSEEN, True),
    Trial("sensors noisy", sensed("noisy", 1.0, size=0.02), 1.0),
    Trial("sensors slightly offset", sensed("offset", 1.0, size=0.1), 1.0),
    Trial("sensors offset", sensed("offset", 1.0, size=0.5), 1.0, LEAPT, True),
    Trial("sensor clock 10 s ahead", sensed("clock_jump", 1.0, size=10.0), 1.0, JUMPED, True),
    Trial("sensor clock 10 s behind", sensed("clock_jump", 1.0, size=-10.0), 1.0, JUMPED, True),
    Trial("processor taken", no_processor, 3.0, UNSEEN),
    Trial("disk full", no_disk, 3.0),
    # What was said meanwhile is sent again when the middleware asks who has missed it, every 3 s.
    Trial(
        "network interrupted",
        no_network,
        3.0,
        UNSEEN,
        True,
        gives_up=NETWORK_WENT,
        shows_s=4.0,
        own_network=True,
    ),
)
