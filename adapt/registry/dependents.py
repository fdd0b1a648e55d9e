"""What was made with a version: settings tuned with it, evaluations, incidents, versions derived from it."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adapt.errors import UserError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Dependent:
    """Something that holds only as long as a version does.

    Attributes:
        kind: `settings`, `evaluation`, `incident`, `version`, or whatever else says so.
        name: what it is called, or the path of its file; unique within its kind.
        version: the version that it was made with.
        stamp_ns: when it was made.
        detail: whatever helps to make it again, as JSON.
        stale: why it no longer holds; empty where it does. Computed when asked for, never stored.
        stale_since_ns: stamp of the decision that made it stale.
    """

    kind: str
    name: str
    version: str
    stamp_ns: int
    detail: dict[str, Any] = field(default_factory=dict)
    stale: str = ""
    stale_since_ns: int | None = None


def read_reports(path: Path) -> Iterator[Dependent]:
    """Evaluations that lie as files: a JSON report, or all `report.json` in a folder and those below.

    A report names the versions that it measured under `version` or, by their roles, under `versions`.
    One in a folder that cannot be read is named in a warning.

    Raises:
        UserError: there is no such file or folder, or the file is no JSON report that names a version.
    """
    if path.is_dir():
        for each in sorted(path.rglob("report.json")):
            try:
                yield from _read_report(each)
            except UserError as error:
                logger.warning("%s", error)
        return
    found = list(_read_report(path))
    if not found:
        raise UserError(f"{path}: keys 'version' and 'versions' are missing: it says of no version")
    yield from found


def _read_report(path: Path) -> Iterator[Dependent]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        stamp_ns = path.stat().st_mtime_ns
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except ValueError as error:
        raise UserError(f"{path}: not valid JSON ({error}): make the report again") from error
    if not isinstance(data, dict):
        raise UserError(f"{path}: expected a JSON object: make the report again")
    by_role = data.get("versions")
    roles = {"version": data.get("version"), **(by_role if isinstance(by_role, dict) else {})}
    versions: dict[str, list[str]] = {}
    for role, version in roles.items():
        if isinstance(version, str):
            versions.setdefault(version, []).append(role)
    for version, measured_as in versions.items():
        detail = {"roles": [role for role in measured_as if role != "version"]}
        yield Dependent("evaluation", str(path), version, stamp_ns, detail if detail["roles"] else {})
