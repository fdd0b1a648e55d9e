"""Unfinished work on disk, from which it goes on as if nothing had been: its state, or a folder of parts."""

from __future__ import annotations

import io
import json
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from adapt.errors import UserError
from adapt.files import replacing, write_text
from adapt.sim.manifest import differences


def save_state(path: Path, origin: dict[str, Any], state: dict[str, Any]) -> None:
    """Write the state of a training and what it is of, whole or not at all.

    Raises:
        UserError: it cannot be written; the state before is kept.
    """
    content = io.BytesIO()
    torch.save({"origin": origin, **state}, content)
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(content.getbuffer())
    except OSError as error:
        raise UserError(
            f"{path}: not written: {error.strerror}; the state before it is kept: make room and run the same "
            "command again"
        ) from error


def load_state(path: Path, origin: dict[str, Any]) -> dict[str, Any] | None:
    """What `save_state` wrote; None where there is no such file. Only tensors and plain values are read.

    Raises:
        UserError: it is damaged, or of another training; the message names what differs.
    """
    if not path.is_file():
        return None
    try:
        state = torch.load(path, weights_only=True)
        there = state["origin"]
    except (RuntimeError, UnpicklingError, EOFError, KeyError, TypeError) as error:
        raise UserError(
            f"{path}: not the state of a training ({type(error).__name__}): delete it to begin anew"
        ) from error
    different = differences(there, origin)
    if different:
        raise UserError(
            f"{path}: the state of another training ({'; '.join(different[:3])}): finish that one, or delete "
            "the file to begin anew"
        )
    return dict(state)


def claim_folder(folder: Path, origin: dict[str, Any]) -> None:
    """Take a folder for the parts of one work, which `origin` describes in plain values, or go on in it.

    Raises:
        UserError: it holds parts of another; the message names what differs.
    """
    path = folder / "origin.json"
    text = json.dumps(origin, indent=2) + "\n"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        write_text(path, text)
        return
    try:
        there = json.loads(path.read_bytes())
    except ValueError as error:
        raise UserError(f"{path}: cannot be read: {error}; delete {folder} to begin anew") from error
    different = differences(there, json.loads(text))
    if different:
        raise UserError(
            f"{folder}: holds parts of other work ({'; '.join(different[:3])}): finish that, or delete the"
            " folder to begin anew"
        )
