"""`adapt incidents`: what went wrong, and where its bag is."""

from __future__ import annotations

from typing import Annotated

import typer

from adapt.commands import output

app = typer.Typer(no_args_is_help=True, help="List and show incidents.")


@app.command("list")
def list_(store: output.Store = output.DEFAULT_STORE, json: output.Json = False) -> None:
    """List the incidents of a store, the oldest first."""
    from adapt.bags.incident import list_incidents

    incidents = list_incidents(store)
    table = output.table(
        f"{len(incidents)} incidents in {store}", "id", "trigger", "severity", ">seconds", "model"
    )
    for each in incidents:
        card = each.card
        seconds = f"{(card.end_ns - card.start_ns) * 1e-9:.1f}"
        table.add_row(
            card.id, card.trigger, card.severity, seconds, card.versions[-1] if card.versions else ""
        )
    output.console().print(table)
    output.finish(
        {"incidents": [{**each.card.model_dump(mode="json"), "bag": str(each.bag)} for each in incidents]},
        json,
    )


@app.command()
def show(
    identifier: Annotated[str, typer.Argument(metavar="ID")],
    store: output.Store = output.DEFAULT_STORE,
    json: output.Json = False,
) -> None:
    """Show one incident: why, with what, and how to replay it."""
    from adapt.bags.incident import load_incident

    incident = load_incident(store, identifier)
    card, console = incident.card, output.console()
    console.print(f"{card.id}: {card.severity}, robot {card.robot}, {output.moment(card.stamp_ns)} UTC")
    for trigger in card.triggers:
        after_s = (trigger.stamp_ns - card.start_ns) * 1e-9
        detail = ", ".join(f"{key} {value}" for key, value in trigger.detail.items())
        console.print(f"  {after_s:6.2f} s  {trigger.kind} ({trigger.severity}) {detail}", markup=False)
    if card.versions:
        console.print(f"model versions: {', '.join(card.versions)}")
    table = output.table("messages", "topic", ">in the bag", ">dropped before")
    for topic in sorted({*card.messages, *card.dropped}):
        table.add_row(topic, str(card.messages.get(topic, 0)), str(card.dropped.get(topic, 0)))
    console.print(table)
    console.print(f"replay it: adapt replay {incident.bag} --robot {card.robot}", soft_wrap=True)
    output.finish({**card.model_dump(mode="json"), "bag": str(incident.bag)}, json)
