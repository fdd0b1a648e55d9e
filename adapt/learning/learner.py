"""The learner: ticks in, admitted versions out. The same class serves live nodes and replay.

Its cycle: collect segments of the adapt split; train a copy of the incumbent on all of them; freeze
it as a candidate; judge it on gate segments that begin afterwards, and on a live robot by turns at driving;
admit or reject it; go on. All that must survive a kill is in the ledger and the registry, and the cycle goes
on from there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapt.errors import UserError
from adapt.learning.beginning import first_version
from adapt.learning.buffer import SegmentBuffer
from adapt.learning.drift import DriftWatch
from adapt.learning.event import Event, Severity
from adapt.learning.gate import Decision
from adapt.learning.judging import Examine, Forgetting, Judging
from adapt.learning.ledger import BudgetSpent, Clock, Ledger
from adapt.learning.offers import Offers
from adapt.learning.plausibility import Plausibility
from adapt.learning.recipes import default_recipe
from adapt.learning.records import Training
from adapt.learning.round import Round
from adapt.learning.settings import LearnerSettings
from adapt.learning.splits import Split
from adapt.learning.sufficiency import Sufficiency
from adapt.learning.supply import Supply
from adapt.learning.trial import LiveRobot
from adapt.model.checkpoint import Card, content_hash
from adapt.model.windows import Windows
from adapt.model.world_model import WorldModel
from adapt.registry.registry import Registry
from adapt.robot.specification import RobotSpecification
from adapt.stream.tick import FloatArray, Tick

TURNED = "robot_changed_at"
"""In the evidence against a candidate: the ledger's entry since which it lost."""


class Learner:
    """Learns the dynamics of one robot from its ticks, within its budget, behind the gate.

    Attributes:
        identified: where the next search for simulators like the robot begins; None before the first.
    """

    def __init__(
        self,
        specification: RobotSpecification,
        settings: LearnerSettings,
        registry: Registry,
        ledger: Ledger,
        model: WorldModel,
        rehearsal: Windows | None,
        seed: int,
        clock: Clock,
        live: bool = False,
        examine: Examine | None = None,
    ):
        """Begin, or go on where the registry and the ledger end.

        Args:
            specification: the robot.
            settings: thresholds.
            registry: where versions are kept; an empty one gets `model` as its first version.
            ledger: where samples are accounted for.
            model: the pretrained model.
            rehearsal: windows from simulation; None trains without and cannot bound forgetting.
            seed: of the training batches.
            clock: ns of the robot's clock.
            live: there is a robot that follows `turn`, and `hear` is told what happens to it.
            examine: holds candidates against blessed incidents, where the gate's settings require them.

        Raises:
            UserError: the registry began with another pretrained model, or a version in it was damaged.
        """
        self.specification = specification
        self.settings = settings
        self.update = settings.update or default_recipe(specification)
        self.registry = registry
        self.ledger = ledger
        self.buffer = SegmentBuffer(specification, ledger, clock, settings.future_tolerance_s)
        # Forgetting is judged on windows that no update has rehearsed.
        self._rehearsal = None if rehearsal is None else rehearsal.select(slice(1, None, 2))
        self._forgetting = (
            None
            if rehearsal is None
            else Forgetting(rehearsal.select(slice(0, None, 2)), model, settings.gate.forgetting)
        )
        self._plausibility = Plausibility(settings.plausibility, specification, ledger, rehearsal)
        self._told_refused: set[int] = set()
        watched = registry, self.buffer, ledger, self._plausibility
        self._drift = DriftWatch(settings.drift, settings.gate.saturation, *watched)
        self._supply = Supply(settings, specification.rate_hz, ledger, self._plausibility, self._drift)
        known = (each.evidence.get(TURNED, 0) for each in registry.decisions())
        self._supply.turned = max(known, default=0)
        self._offers = Offers(registry, ledger)
        self._sufficiency = Sufficiency(settings.sufficiency, specification)
        self._robot = LiveRobot(specification) if live else None
        self._examine = examine
        self._seed = seed
        self._events: list[Event] = []
        self._round: Round | None = None
        self.identified: FloatArray | None = None
        self._last_loss: float | None = None
        self._told_spent = {split for split in Split if ledger.spent(split)}
        self.incumbent = first_version(registry, model)
        self._incumbent_model = registry.load(self.incumbent)[0]
        self._judging = self._unfinished_judging()

    def feed(self, tick: Tick) -> None:
        """Take one tick. Quick, except for one short write to disk per segment.

        While the robot is stopped it costs nothing, and teaches nothing.

        Raises:
            sqlite3.Error: the disk is full or fails; the segment's ticks are lost, all else is whole.
        """
        if self._robot is not None and self._robot.stopped:
            self.buffer.refused["stopped"] += 1
            return
        stored = len(self.ledger.records.segments)
        sealed = self.ledger.records.sealing
        self.buffer.candidate_waits = self._judging is not None and self._judging.trial is None
        try:
            self.buffer.offer(tick)
        except BudgetSpent:
            self.buffer.refused["budget spent"] += 1
        sealed = sealed or self.ledger.records.sealing
        if self._judging is not None and self._judging.trial is not None:
            self._events += self._judging.trial.feed(tick, sealed)
        if not sealed and (self._robot is None or self._robot.running):
            self._events += self._sufficiency.feed(tick, self.incumbent, self._supply.changed)
        for segment in self.ledger.records.segments[stored:]:
            detail = {"segment": segment.number, "split": segment.split.value, "ticks": segment.ticks}
            self._tell("segment_stored", detail)
            if self.ledger.spent(segment.split) and segment.split not in self._told_spent:
                self._told_spent.add(segment.split)
                self._tell("budget_spent", {"split": segment.split.value}, "warning")

    def hear(self, kind: str, detail: Mapping[str, Any]) -> None:
        """Take what another node tells of a live robot: `safety_state` with its `state`, or an event.

        Raises:
            sqlite3.Error: the disk is full or fails.
        """
        if self._robot is not None and kind == "safety_state":
            self._robot.state = str(detail["state"])
        elif self._judging is not None and self._judging.trial is not None:
            self._events += self._judging.trial.hear(kind, detail)

    @property
    def turn(self) -> str:
        """The candidate that should drive for now; empty where the incumbent should."""
        trial = None if self._judging is None else self._judging.trial
        if trial is None or trial.drives == self.incumbent or trial.decide().kind != "undecided":
            return ""
        return trial.drives

    @property
    def idle(self) -> bool:
        """Whether `work` has nothing to do until more ticks come."""
        if self._offered is not None:
            return False
        if self._judging is not None:
            return self._judging.waiting and not self._is_over(self._judging)
        return self._round is None and not self._supply.enough()

    def work(self) -> list[Event]:
        """Do one bounded piece of training or judging, and tell what happened since the last call.

        Raises:
            OSError, sqlite3.Error: the disk is full or fails. The piece is lost, but nothing else;
                call again once there is room.
        """
        self._events += self._drift.look()
        self._follow_registry()
        if (offered := self._offered) is not None:
            self._take(offered)
        elif self._judging is not None:
            self._judge(self._judging)
        elif self._round is not None:
            self._train(self._round)
        elif self._supply.enough():
            self._begin_round()
        for number, reason in self._plausibility.refused.items():
            if number not in self._told_refused:
                self._told_refused.add(number)
                self._tell("data_refused", {"first_segment": number, "reason": reason}, "error")
        events, self._events = self._events, []
        return events

    def status(self) -> dict[str, Any]:
        """Where the learner stands, as JSON."""
        judging, records = self._judging, self.ledger.records
        return {
            "incumbent": self.incumbent,
            "budget": {
                split.value: {"used": records.used(split), "remaining": records.remaining(split)}
                for split in Split
            },
            "segments": len(records.segments),
            "refused": dict(self.buffer.refused),
            "implausible": sorted(set(self._plausibility.refused.values())),
            "training_step": None if self._round is None else self._round.taken,
            "identifying": self._round is not None and self._round.identifying,
            "loss": self._last_loss,
            "candidates": len(records.trainings),
            "candidate": None if judging is None else judging.training.version,
            "gate": None if judging is None else judging.evidence(),
        }

    def _begin_round(self) -> None:
        segments = self._supply.segments()
        self._round = Round(
            self.specification,
            self.update,
            self._incumbent_model,
            segments,
            self.buffer.windows(segments),
            self._rehearsal,
            self._seed * 1_000_003 + len(self.ledger.records.trainings),
            self.identified,
        )

    def _train(self, current: Round) -> None:
        model = current.step(self.settings.steps_at_once)
        self._last_loss = current.last_loss
        if model is not None:
            self._round, self.identified = None, current.identified
            self._freeze(model, current)

    def _freeze(self, model: WorldModel, made_by: Round) -> None:
        """Make the result a version, known to the ledger before anybody can load it."""
        version, lineage = content_hash(model.state_dict()), made_by.lineage()
        training = self.ledger.record_training(version, self.incumbent, made_by.segments)
        self.registry.add(model, self.incumbent, lineage)
        self._judging = self._judging_of(training, model)
        self._tell("candidate_made", {"version": version, "parent": self.incumbent, **lineage})

    @property
    def _offered(self) -> str | None:
        """A version from elsewhere to be judged now: what is made here gives way, it can be made again."""
        offered, judged = self._offers.next(self.incumbent), self._judging
        waits = offered and judged is not None and self._offers.made(judged.training.version)
        return None if waits else offered

    def _take(self, version: str) -> None:
        """Judge a version from elsewhere. What was known before it came counts as learned from, since nobody
        here can tell that it was not.
        """
        if (loaded := self._load(version)) is None:
            return
        model, card = loaded
        self._give_up(f"version {version} was offered")
        training = self.ledger.record_training(version, self.incumbent, self._supply.segments())
        self._judging = self._judging_of(training, model)
        self._tell("candidate_offered", {"version": version, "parent": self.incumbent, **card.lineage})

    def _load(self, version: str) -> tuple[WorldModel, Card] | None:
        """A candidate's files; None, and told, where they were damaged: the learner goes on without it."""
        try:
            return self.registry.load(version)
        except UserError as error:
            self._offers.refuse(version)
            self._tell("offer_refused", {"version": version, "reason": str(error)}, "error")
            return None

    def _is_over(self, judging: Judging) -> bool:
        return judging.turned is not None or self._supply.outgrown(judging)

    def _judge(self, judging: Judging) -> None:
        version = judging.training.version
        if (turned := judging.turned) is not None:
            self._supply.turned = turned
            reason = "forecast better, and then worse: the robot has changed since what it learned from"
            self._tell("robot_changed", {"version": version, "entry": turned}, "warning")
            self._reject(judging, Decision("reject", reason, {**judging.evidence(), TURNED: turned}))
            return
        if judging.look_back():
            return
        segment = judging.judge_next()
        decision = judging.decide()
        if segment is not None:
            detail = {"version": version, "segment": segment.number, "decision": decision.kind}
            self._tell("gate_decision", {**detail, **decision.evidence})
            if judging.trial is not None:
                self._tell("trial_begun", {"version": version, "incumbent": self.incumbent})
        if decision.kind == "admit":
            self.registry.admit(version, decision.evidence, decision.reason)
            self.incumbent, self._incumbent_model = version, judging.candidate
            self._judging = None
            self._tell("admitted", {"version": version, "reason": decision.reason, **decision.evidence})
        elif decision.kind == "reject":
            self._reject(judging, decision)
        elif segment is None and self._supply.outgrown(judging):
            reason = "not winning when there was much new data: a successor is trained"
            self._reject(judging, Decision("reject", reason, decision.evidence))

    def _reject(self, judging: Judging, decision: Decision) -> None:
        version = judging.training.version
        self.registry.reject(version, decision.evidence, decision.reason)
        self._judging = None
        self._tell("rejected", {"version": version, "reason": decision.reason, **decision.evidence})

    def _follow_registry(self) -> None:
        """Take over a rollback; what was trained or judged against the old incumbent is given up."""
        current = self.registry.current()
        if current is None or current == self.incumbent:
            return
        self._incumbent_model = self.registry.load(current)[0]
        self._tell("incumbent_changed", {"version": current, "from": self.incumbent}, "warning")
        self.incumbent = current
        self._give_up("the incumbent was changed")

    def _give_up(self, reason: str) -> None:
        """What is being made or judged."""
        self._round = None
        if (judging := self._judging) is not None:
            self._reject(judging, Decision("reject", reason, judging.evidence()))

    def _judging_of(self, training: Training, model: WorldModel) -> Judging:
        return Judging(
            self.settings.gate,
            self.ledger,
            self.buffer,
            training,
            model,
            self._incumbent_model,
            self._forgetting,
            self._plausibility,
            self._robot,
            self._examine,
        )

    def _unfinished_judging(self) -> Judging | None:
        """The candidate that the end of the last run has interrupted."""
        if not self.ledger.records.trainings:
            return None
        training = self.ledger.records.trainings[-1]
        known = training.version in self.registry.versions()
        decided = bool(self.registry.decisions(training.version))
        if not known or decided or training.parent != self.incumbent:
            return None
        loaded = self._load(training.version)
        return None if loaded is None else self._judging_of(training, loaded[0])

    def _tell(self, kind: str, detail: Mapping[str, Any], severity: Severity = "info") -> None:
        self._events.append(Event(kind, dict(detail), severity))
