"""`adapt bags`: what is in a bag, bags from logs, bags saved from ruin."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from adapt.commands import output

app = typer.Typer(no_args_is_help=True, help="Look into bags, make them from logs, recover them.")


@app.command()
def info(
    bag: Annotated[Path, typer.Argument(help="Bag folder, or a bare .mcap or .db3 file.")],
    msg_dir: output.MessageFolder = None,
    json: output.Json = False,
) -> None:
    """Say what is in a bag."""
    from adapt.bags.reader import bag_info
    from adapt.bags.tables import print_bag

    found = bag_info(bag, msg_dir)
    print_bag(found, output.console())
    output.finish(found.as_dict(), json)


@app.command("import")
def import_(
    source: Annotated[
        Path, typer.Argument(help="Folder of logs: .npz, tables (.csv, .csv.gz), or a LeRobot data set.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for the bags, one for each log.")],
    robot: output.RobotName = "so101",
    columns: output.Columns = None,
    json: output.Json = False,
) -> None:
    """Make ROS 2 bags from the logs of a real robot."""
    from adapt.bags.logs import import_logs
    from adapt.robot.load import load_robot

    with output.console().status(f"importing {source}"):
        bags = import_logs(source, out, load_robot(robot), columns)
    output.console().print(f"{len(bags)} bags in {out}")
    output.finish({"bags": [str(bag) for bag in bags]}, json)


@app.command()
def recover(
    recording: Annotated[Path, typer.Argument(help="Bag folder or .mcap file that was cut off.")],
    out: Annotated[Path | None, typer.Option(help="Folder of the new bag.")] = None,
    json: output.Json = False,
) -> None:
    """Save what is whole of a cut-off or damaged recording into a new bag."""
    from adapt.bags.recover import recover as save

    saved = save(recording, out)
    console = output.console()
    for topic, count in sorted(saved.messages.items()):
        console.print(f"{count:>8}  {topic}")
    for each in saved.damage:
        where = f"{each.file}: {each.bytes} bytes from {each.offset} on"
        console.print(f"{where} cannot be read: {each.reason}", markup=False, soft_wrap=True)
    lost = f"{saved.damaged_chunks} damaged chunks, {saved.unread_bytes} bytes were lost"
    console.print(f"{saved.bag}: {sum(saved.messages.values())} messages saved; {lost}")
    output.finish(saved.as_dict(), json)
