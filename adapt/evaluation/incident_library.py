"""Incidents as tests: what each version would have foretold of what went wrong, and whether it passes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from adapt.bags.incident import Criterion, Incident, list_incidents
from adapt.bags.replay import bag_ticks
from adapt.errors import UserError
from adapt.evaluation.adaptation import complete_runs, measured_entries, run_windows
from adapt.evaluation.model_error import error_unit, model_error
from adapt.evaluation.proposals import propose_again, rms_distance
from adapt.model.checkpoint import load_card, load_checkpoint, shipped_checkpoint
from adapt.model.windows import Windows
from adapt.model.world_model import WorldModel
from adapt.registry.registry import Registry
from adapt.robot.specification import RobotSpecification
from adapt.stream.tick import FloatArray, Tick

FAILED_SHARE = 0.9
"""Of the error of the version that failed: what is not clearly better has not learned from it."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One version in one incident.

    Attributes:
        incident: its id.
        version: its name.
        error: RMS of the open-loop error over the stretch, in `unit`; None where nothing could be measured.
        at_most: the blessed bound; None where the incident is not blessed.
        passed: None where the incident is not blessed.
        why: the figures in a sentence, with where and when the error was worst.
    """

    incident: str
    version: str
    error: float | None
    at_most: float | None
    unit: str
    passed: bool | None
    why: str
    proposed_apart: float | None = None
    """How far this version's planner would have been from what was done, RMS in the action's unit over the
    stretch; None where that was not asked, or nothing was proposed."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def judge(
    specification: RobotSpecification,
    incident: Incident,
    versions: Mapping[str, WorldModel],
    msg_dir: Path | None = None,
    propose: bool = False,
) -> list[Verdict]:
    """What each version would have foretold in the incident, held against what was seen.

    Every tick of the stretch begins a forecast of the whole horizon, from the actions that were applied.
    The same bag and version give the same verdict, bit for bit on the same machine.

    Args:
        specification: the robot of the recording.
        incident: with or without a criterion; without one, the whole bag counts and nothing is decided.
        versions: the models, by name.
        msg_dir: .msg files, where the bag does not define its types.
        propose: also let each version's planner look at every tick, and say how far its proposals are from
            what was done. It decides nothing.

    Raises:
        UserError: the bag cannot be read, or is of another robot.
    """
    ticks = list(bag_ticks(incident.bag, specification, msg_dir))
    verdicts = _verdicts(specification, incident, versions, ticks)
    if not propose:
        return verdicts
    return [
        replace(each, proposed_apart=_proposed_apart(specification, incident, versions[each.version], ticks))
        for each in verdicts
    ]


def _verdicts(
    specification: RobotSpecification,
    incident: Incident,
    versions: Mapping[str, WorldModel],
    ticks: Sequence[Tick],
) -> list[Verdict]:
    windows, after_s = _stretch(specification, incident, incident.card.criterion, ticks)
    verdicts = []
    for name, model in versions.items():
        if not len(windows):
            why = (
                f"nothing to judge on: {incident.bag} holds no unbroken run of complete ticks in the stretch"
            )
            verdicts.append(_verdict(incident, name, None, "", why))
            continue
        try:
            error = model_error(specification, model, windows)
        except ValueError as problem:
            verdicts.append(_verdict(incident, name, None, "", str(problem)))
            continue
        unit = error_unit(specification, model)
        worst = int(np.argmax(error.by_window))
        where = f"worst {after_s[worst]:+.1f} s from the trigger"
        if model.settings.readable:
            names = specification.observation_names[measured_entries(specification)]
            where += f" and at {names[int(np.argmax(error.by_entry))]}"
        verdicts.append(_verdict(incident, name, error.total, unit, where))
    return verdicts


def failed_bound(
    specification: RobotSpecification,
    incident: Incident,
    version: str,
    model: WorldModel,
    stretch: Criterion | None = None,
) -> Criterion:
    """A criterion that the version that failed does not pass: `FAILED_SHARE` of its own error.

    Args:
        specification: the robot of the recording.
        incident: to be blessed.
        version: the name of the version that drove.
        model: that version.
        stretch: gives `from_s` and `to_s`, where not all of the bag should count.

    Raises:
        UserError: the incident holds nothing to judge on.
    """
    windows, _ = _stretch(specification, incident, stretch, bag_ticks(incident.bag, specification))
    if not len(windows):
        raise UserError(f"{incident.bag}: no unbroken run of complete ticks in the stretch: widen it")
    return Criterion(
        at_most=FAILED_SHARE * model_error(specification, model, windows).total,
        unit=error_unit(specification, model),
        from_s=None if stretch is None else stretch.from_s,
        to_s=None if stretch is None else stretch.to_s,
        reason=f"{FAILED_SHARE:g} of the error of version {version}, which drove",
    )


def blessed_incidents(store: Path) -> list[Incident]:
    """The incidents of a store that every later version has to pass, the oldest first."""
    return [incident for incident in list_incidents(store) if incident.card.criterion is not None]


def load_versions(
    store: Path, specification: RobotSpecification, names: Iterable[str]
) -> dict[str, WorldModel]:
    """Models by the names of their versions.

    Args:
        store: its registry is looked in, where it has one.
        specification: the robot.
        names: of versions in the store, of the shipped checkpoint's, or paths of checkpoints. Without
            any: the version that drives in the store, or else the shipped one.

    Raises:
        UserError: a version is nowhere, damaged, or of another robot.
    """
    registry = Registry(store, specification, lambda: 0) if (store / "versions").is_dir() else None
    try:
        known = [] if registry is None else registry.versions()
        current = None if registry is None else registry.current()
        models = {}
        for name in names or [current or str(shipped_checkpoint(specification))]:
            if registry is not None and name in known:
                models[name] = registry.load(name)[0]
                continue
            path = Path(name) if name.endswith(".safetensors") else shipped_checkpoint(specification)
            card = load_card(path)
            if not name.endswith(".safetensors") and card.version != name:
                listed = ", ".join([*known, f"{card.version} (shipped)"])
                raise UserError(f"{store}: no version '{name}'; there are: {listed}; or give a .safetensors")
            models[card.version] = load_checkpoint(path, specification)[0]
        return models
    finally:
        if registry is not None:
            registry.close()


def _stretch(
    specification: RobotSpecification,
    incident: Incident,
    stretch: Criterion | None,
    ticks: Iterable[Tick],
) -> tuple[Windows, FloatArray]:
    """The windows that count, and the "now" of each in s after the first trigger, shape (B,)."""
    history, horizon = specification.history_ticks, specification.horizon_ticks
    first, last = _ends(stretch)
    parts, times = [], []
    for run in complete_runs(ticks):
        windows = run_windows(specification, run, 1)
        now_ns = run.stamp_ns[history : history + len(windows)]
        after_s = (now_ns - incident.card.stamp_ns) * 1e-9
        chosen = np.flatnonzero((first <= after_s) & (after_s <= last))
        parts.append(windows.select(torch.from_numpy(chosen)))
        times.append(after_s[chosen])
    if not parts:
        empty = torch.empty(0, history + 1 + horizon, 0)
        return Windows(empty, empty, empty), np.empty(0)
    return Windows.join(parts), np.concatenate(times)


def _ends(stretch: Criterion | None) -> tuple[float, float]:
    """Where a stretch begins and ends, s after the first trigger."""
    first = None if stretch is None else stretch.from_s
    last = None if stretch is None else stretch.to_s
    return -np.inf if first is None else first, np.inf if last is None else last


def _proposed_apart(
    specification: RobotSpecification, incident: Incident, model: WorldModel, ticks: Sequence[Tick]
) -> float | None:
    found = propose_again(specification, model, ticks)
    first, last = _ends(incident.card.criterion)
    after_s = (np.array(found.stamp_ns, dtype=np.int64) - incident.card.stamp_ns) * 1e-9
    inside = (first <= after_s) & (after_s <= last)
    return rms_distance(found.proposed[inside], found.applied[inside])


def _verdict(incident: Incident, version: str, error: float | None, unit: str, why: str) -> Verdict:
    """Hold an error against the criterion. What cannot be measured does not pass."""
    name, criterion = incident.card.id, incident.card.criterion
    if error is None:
        passed = None if criterion is None else False
        return Verdict(
            name, version, None, None if criterion is None else criterion.at_most, unit, passed, why
        )
    if criterion is None:
        return Verdict(
            name, version, error, None, unit, None, f"error {error:.4g} {unit}, {why}; not blessed"
        )
    if criterion.unit != unit:
        why = f"the criterion is in {criterion.unit}, but the errors of this version are in {unit}"
        return Verdict(name, version, error, criterion.at_most, unit, False, why)
    passed = error <= criterion.at_most
    relation = "within" if passed else "above"
    said = f"error {error:.4g} {unit} {relation} {criterion.at_most:.4g} {unit}, {why}"
    return Verdict(name, version, error, criterion.at_most, unit, passed, said)
