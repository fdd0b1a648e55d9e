"""The manifest of a data set: how it came about, and the hash of every shard."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from adapt.errors import UserError
from adapt.files import write_text
from adapt.settings import Settings

MANIFEST = "manifest.json"


class Manifest(Settings):
    """What a data set is made of. A shard is announced here before its file appears."""

    format: Literal[1] = 1
    robot: str
    schema_hash: str
    robot_file: dict[str, Any]
    """All of the robot file that shapes the data."""
    model_sha256: str
    """Of the compiled simulation model."""
    simulator: str
    code_version: str
    expert: str
    randomisation: dict[str, Any]
    seed: int
    episodes: int = Field(gt=0)
    ticks: int = Field(gt=0)
    episodes_per_shard: int = Field(gt=0)
    shards: dict[str, str] = {}
    """sha256 by file name."""

    @property
    def origin(self) -> dict[str, Any]:
        """All but the shards: what decides, bit for bit, what they hold."""
        return self.model_dump(mode="json", exclude={"shards"})

    @property
    def fingerprint(self) -> str:
        """Names the origin."""
        return hashlib.sha256(json.dumps(self.origin, sort_keys=True).encode()).hexdigest()[:12]

    @property
    def shard_sizes(self) -> dict[str, int]:
        """Episodes of each shard by its file name, in order, made or not."""
        starts = range(0, self.episodes, self.episodes_per_shard)
        return {
            f"shard-{number:05d}.h5": min(self.episodes_per_shard, self.episodes - start)
            for number, start in enumerate(starts)
        }

    @property
    def data_hash(self) -> str:
        """Names the data: over the hashes of all shards, in order."""
        lines = "".join(f"{name} {self.shards[name]}\n" for name in self.shard_sizes)
        return hashlib.sha256(lines.encode()).hexdigest()[:16]

    def save(self, folder: Path) -> None:
        """Write it to its folder, whole or not at all."""
        write_text(folder / MANIFEST, self.model_dump_json(indent=2) + "\n")


def load_manifest(folder: Path) -> Manifest | None:
    """The manifest of a folder; None where there is nothing yet.

    Raises:
        UserError: it is damaged, or shards lie there without one.
    """
    path = folder / MANIFEST
    if not path.is_file():
        stray = sorted(folder.glob("shard-*.h5"))
        if stray:
            raise UserError(
                f"{path}: missing, but {stray[0].name} is there: put the manifest back, or delete the folder"
            )
        return None
    try:
        return Manifest.model_validate_json(path.read_text(encoding="utf-8"))
    except (ValidationError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path}: not a manifest ({str(error).splitlines()[0]}): restore it, or delete the folder"
        ) from error


def differences(there: Any, here: Any, key: str = "") -> list[str]:
    """Where two nested mappings differ, as `key: a there, b here`."""
    if isinstance(there, dict) and isinstance(here, dict):
        keys = sorted({*there, *here}, key=str)
        return [
            line
            for each in keys
            for line in differences(there.get(each), here.get(each), f"{key}.{each}" if key else str(each))
        ]
    return [] if there == here else [f"{key}: {there} there, {here} here"]
