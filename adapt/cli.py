"""The `adapt` command: parses, calls, prints."""

from __future__ import annotations

import sys
from typing import Any

import typer

from adapt.commands import (
    bags,
    bench,
    bench_adaptation,
    bench_deadlines,
    bench_gate,
    bench_identification,
    bench_online,
    bench_planner,
    bench_recorder,
    bench_recovery,
    bench_replay,
    bench_safety,
    bench_soak,
    demo,
    doctor,
    identify,
    import_simdist,
    incidents,
    ledger,
    models,
    offer,
    pretrain,
    recover,
    redistil,
    replay,
    safety,
    up,
)
from adapt.errors import UserError

WRONG_INPUT = 2
STOPPED = 130
WrongUse: Any = typer.BadParameter.__mro__[2]
"""What typer raises for a command line that it cannot parse; its public name differs by version."""

app = typer.Typer(
    name="adapt",
    help="Adapt a robot's world model on the robot: measure, learn under a budget, prove, replay.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("doctor")(doctor.doctor)
app.command("up")(up.up)
app.command("demo")(demo.demo)
app.command("replay")(replay.replay)
app.command("pretrain")(pretrain.pretrain)
app.command("identify")(identify.identify)
app.command("redistil")(redistil.redistil)
app.command("recover")(recover.recover)
app.command("import-simdist")(import_simdist.import_simdist)
app.add_typer(bags.app, name="bags")
app.add_typer(incidents.app, name="incidents")
app.add_typer(models.app, name="models")
app.add_typer(ledger.app, name="ledger")
models.app.command("offer")(offer.offer)
bench.app.command("adaptation")(bench_adaptation.adaptation)
bench.app.command("identification")(bench_identification.identification)
bench.app.command("deadlines")(bench_deadlines.deadlines)
bench.app.command("gate")(bench_gate.gate)
bench.app.command("online")(bench_online.online)
bench.app.command("planner")(bench_planner.planner)
bench.app.command("recorder")(bench_recorder.recorder)
bench.app.command("recovery")(bench_recovery.recovery)
bench.app.command("replay")(bench_replay.replay)
bench.app.command("safety")(bench_safety.safety)
bench.app.command("soak")(bench_soak.soak)
app.add_typer(safety.app, name="safety")
app.add_typer(bench.app, name="bench")


@app.callback()
def _adapt() -> None:
    """Adapt a robot's world model on the robot: measure, learn under a budget, prove, replay."""


def main(arguments: list[str] | None = None) -> None:
    """Run a command and leave with its exit code: 2 for wrong input, with one line that says the cure."""
    try:
        code = app(arguments, standalone_mode=False)
    except UserError as error:
        sys.exit(_refuse(str(error)))
    except WrongUse as error:
        text = error.format_message()
        # No arguments at all: the help was printed, and says more than an error would.
        sys.exit(_refuse(f"{text} See 'adapt --help'.") if text else WRONG_INPUT)
    except OSError as error:
        # A disk that is full or a folder that may not be written: the user's to cure, too.
        sys.exit(_refuse(f"{error.filename or 'system'}: {error.strerror or error}"))
    except (typer.Abort, KeyboardInterrupt):
        sys.exit(STOPPED)
    sys.exit(code or 0)


def _refuse(message: str) -> int:
    print(f"adapt: {' '.join(message.split())}", file=sys.stderr)  # noqa: T201
    return WRONG_INPUT


if __name__ == "__main__":
    main()
