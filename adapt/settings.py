"""The base of all settings: frozen, validated, unknown keys refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from adapt.errors import UserError


class Settings(BaseModel):
    """Frozen settings; an unknown key is an error, never ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


SettingsType = TypeVar("SettingsType", bound=Settings)


def load_settings(path: Path, kind: type[SettingsType]) -> SettingsType:
    """Read a YAML file as `kind`.

    Raises:
        UserError: the file is missing, is no YAML mapping, or a key in it is unknown, missing or
            wrong. The message names the file and the first such key.
    """
    return as_settings(path, read_mapping(path), kind)


def read_mapping(path: Path) -> dict[Any, Any]:
    """What a YAML file says, key by key.

    Raises:
        UserError: the file is missing, or is no YAML mapping.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected a mapping of keys to values")
    return content


def as_settings(path: Path, content: dict[Any, Any], kind: type[SettingsType]) -> SettingsType:
    """What `path` says, as `kind`.

    Raises:
        UserError: a key is unknown, missing or wrong; the message names the file and the first such key.
    """
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise UserError(f"{path}: {first_problem(error)}") from error


def first_problem(error: ValidationError) -> str:
    """The first thing that is wrong with settings: the key, and what was expected of it."""
    details: Any = error.errors()[0]
    key = ".".join(str(part) for part in details["loc"])
    if details["type"] == "extra_forbidden":
        return f"unknown key '{key}': remove it or correct its spelling"
    if details["type"] == "missing":
        return f"key '{key}' is missing: add it"
    message = str(details["msg"]).removeprefix("Value error, ")
    return f"key '{key}': {message}" if key else message
