"""A replay as an MCAP file for a viewer: JSON messages with their schemas, at the time of the bag."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from mcap.well_known import MessageEncoding, SchemaEncoding
from mcap.writer import Writer

from adapt.bags.replay import ReplayEvent
from adapt.evaluation.adaptation import measured_entries, run_windows
from adapt.evaluation.replay_comparison import Block, short_names
from adapt.files import replacing
from adapt.learning.splits import Split
from adapt.model.world_model import WorldModel
from adapt.robot.specification import RobotSpecification
from adapt.stream.tick import FloatArray

LEVELS = {"info": 2, "warning": 3, "error": 4}
"""Of foxglove.Log."""
EVIDENCE = ("e_better", "e_worse", "threshold", "candidate_error", "incumbent_error")


@contextmanager
def replay_viewer(
    path: Path, specification: RobotSpecification, models: Mapping[str, WorldModel]
) -> Iterator[ReplayViewer]:
    """Write `path`, whole or not at all."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        viewer = ReplayViewer(file, specification, models)
        yield viewer
        viewer.finish()


class ReplayViewer:
    """Writes what Foxglove opens as it is.

    Topics: `/observation` with what was `seen` and what each model had foretold of it, entry by entry; each
    forecast begins where the one before ends; `/error`, its root mean square over the entries that are
    measured. Of the learner `/gate`, its evidence after each segment, `/budget`, ticks used, and `/event`,
    a `foxglove.Log`.
    """

    def __init__(
        self, file: BinaryIO, specification: RobotSpecification, models: Mapping[str, WorldModel]
    ) -> None:
        self._specification = specification
        self._models = {name: model for name, model in models.items() if model.settings.readable}
        self._entries = list(specification.vector_indices)
        names = np.array(specification.observation_names)[self._entries]
        self._names = [name.replace("/", "_") for name in short_names(names.tolist())]
        measured = range(specification.observation_size)[measured_entries(specification)]
        self._measured = [place for place, entry in enumerate(self._entries) if entry in measured]
        self._told_ns = -(2**62)
        self._writer = Writer(file)
        self._writer.start(library="adapt")
        number, text, whole = ({"type": kind} for kind in ("number", "string", "integer"))
        entries = _object(dict.fromkeys(self._names, number))
        topics: dict[str, dict[str, Any]] = {
            "/observation": dict.fromkeys(("seen", *self._models), entries),
            "/error": dict.fromkeys(self._models, number),
            "/gate": {"version": text, **dict.fromkeys(EVIDENCE, number)},
            "/budget": dict.fromkeys((split.value for split in Split), number),
            "/event": {
                "timestamp": _object({"sec": whole, "nsec": whole}),
                "level": whole,
                **dict.fromkeys(("message", "name", "file"), text),
                "line": whole,
            },
        }
        names_of_schemas = {"/event": "foxglove.Log"}
        self._channels = {}
        for topic, properties in topics.items():
            name = names_of_schemas.get(topic, f"adapt{topic.replace('/', '.')}")
            content = json.dumps(_object(properties)).encode()
            schema = self._writer.register_schema(name, SchemaEncoding.JSONSchema, content)
            self._channels[topic] = self._writer.register_channel(topic, MessageEncoding.JSON, schema)

    def add_events(self, events: Iterable[ReplayEvent]) -> None:
        """What the learner did."""
        used = dict.fromkeys((split.value for split in Split), 0)
        for each in events:
            stamp_ns, event = each.stamp_ns, each.event
            if event.kind == "segment_stored":
                used[event.detail["split"]] += event.detail["ticks"]
                self._write("/budget", stamp_ns, used)
                continue
            if event.kind == "gate_decision":
                known = {key: event.detail[key] for key in EVIDENCE if event.detail.get(key) is not None}
                self._write("/gate", stamp_ns, {"version": event.detail["version"], **known})
            seconds, nanoseconds = divmod(stamp_ns, 1_000_000_000)
            words = [f"{key} {event.detail[key]}" for key in ("version", "reason") if key in event.detail]
            log = {
                "timestamp": {"sec": seconds, "nsec": nanoseconds},
                "level": LEVELS[event.severity],
                "message": " ".join([event.kind.replace("_", " "), *words]),
                "name": "learner",
                "file": "",
                "line": 0,
            }
            self._write("/event", stamp_ns, log)

    def add_block(self, block: Block) -> None:
        """Ticks that were measured; those that were in the block before are left out."""
        specification, run = self._specification, block.run
        windows = run_windows(specification, run, specification.horizon_ticks)
        foretold: dict[str, FloatArray] = {}
        with torch.no_grad():
            for name, model in self._models.items() if len(windows) else ():
                forecast = model.forecast(windows).flatten(0, 1)[:, self._entries]
                foretold[name] = forecast.double().numpy()
        first = specification.history_ticks + 1
        for row, stamp_ns in enumerate(run.stamp_ns.tolist()):
            if stamp_ns <= self._told_ns:
                continue
            self._told_ns = stamp_ns
            seen = run.observation[row, self._entries]
            known = {
                name: each[row - first] for name, each in foretold.items() if 0 <= row - first < len(each)
            }
            values = {"seen": seen, **known}
            named = {
                name: dict(zip(self._names, each.tolist(), strict=True)) for name, each in values.items()
            }
            self._write("/observation", stamp_ns, named)
            if known:
                errors = {name: (each - seen)[self._measured] for name, each in known.items()}
                roots = {name: float(np.sqrt(np.mean(each**2))) for name, each in errors.items()}
                self._write("/error", stamp_ns, roots)

    def finish(self) -> None:
        """Write the end of the file, which stays open."""
        self._writer.finish()  # type: ignore[no-untyped-call]

    def _write(self, topic: str, stamp_ns: int, content: Mapping[str, Any]) -> None:
        data = json.dumps(content, allow_nan=False).encode()
        self._writer.add_message(self._channels[topic], stamp_ns, data, stamp_ns)


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": dict(properties)}
