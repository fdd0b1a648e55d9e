"""`adapt safety`: stop the robot, and let it move again, from any shell of its ROS domain."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from adapt.commands import output, ros

app = typer.Typer(no_args_is_help=True, help="Stop the robot, reset the stop, arm.")
ANSWER_S = 10.0

Why = Annotated[str, typer.Option(help="The reason; it is told on /adapt/event, with your name.")]


@app.command()
def stop(json: output.Json = False) -> None:
    """Bring the robot to rest at once; it stays there until a reset. Anybody may."""
    with _caretaker() as caretaker:
        caretaker.trigger("/safety/stop", ANSWER_S)
    output.finish({"call": "stop"}, json, "stopped, until: adapt safety reset --why ...")


@app.command()
def reset(why: Why, json: output.Json = False) -> None:
    """Leave the stop; nothing moves before it is armed again."""
    _request("reset", why, json)


@app.command()
def arm(why: Why, json: output.Json = False) -> None:
    """Let the next good proposal move the robot."""
    _request("arm", why, json)


def _request(call: str, why: str, json: bool) -> None:
    with _caretaker() as caretaker:
        caretaker.request(f"/safety/{call}", why, ANSWER_S)
    output.finish({"call": call, "why": why}, json, f"{call}: done")


@contextmanager
def _caretaker() -> Iterator[Any]:
    caretaker = ros.live("caretaker").Caretaker()
    try:
        yield caretaker
    finally:
        caretaker.close()
