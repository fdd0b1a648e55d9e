"""Whether a registry, or a lone checkpoint, is whole: weights, cards, lineage and decisions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from adapt.errors import UserError
from adapt.model.checkpoint import Card, load_card, load_checkpoint, load_weights
from adapt.registry.registry import Registry
from adapt.registry.standing import ancestors
from adapt.robot.specification import RobotSpecification


def checkpoint_problems(
    path: Path, specification: RobotSpecification | None, parents: Iterable[str] | None
) -> list[str]:
    """What is wrong with one checkpoint, each named with its file and the cure.

    Args:
        path: the weights (.safetensors).
        specification: the robot that it should be for; None to check everything else.
        parents: versions that the parent should be among; None where it may lie elsewhere.
    """
    try:
        card = load_weights(path)[1] if specification is None else load_checkpoint(path, specification)[1]
    except UserError as error:
        return [str(error)]
    problems = []
    file = path.with_suffix(".json")
    if card.parent == card.version:
        problems.append(f"{file}: key 'parent' names the version itself: restore the card")
    elif parents is not None and card.parent is not None and card.parent not in parents:
        problems.append(
            f"{file}: parent {card.parent} was not found: bring it back, or say where it lies with --parents"
        )
    return problems


def registry_problems(
    registry: Registry, specification: RobotSpecification | None, elsewhere: Iterable[str] = ()
) -> dict[str, list[str]]:
    """What is wrong with each version of a registry, also with one of which only decisions are left.

    Args:
        registry: the registry.
        specification: the robot that its versions should be for; None to check everything else.
        elsewhere: versions that lie elsewhere and may be parents.
    """
    versions, cards = registry.versions(), {}
    known = {*versions, *elsewhere}
    problems: dict[str, list[str]] = {version: [] for version in versions}
    for version in versions:
        try:
            path = registry.path(version)
            cards[version] = registry.card(version)
        except UserError as error:
            problems[version].append(str(error))
            continue
        problems[version] += checkpoint_problems(path, specification, known)
        if cards[version].version != version:
            problems[version].append(
                f"{path.parent}: holds version {cards[version].version}: give the folder that name"
            )
    for version in _in_a_cycle(cards):
        problems[version].append(
            f"{registry.path(version).with_suffix('.json')}: key 'parent' leads back to {version}, and a "
            "version cannot be its own ancestor: restore the cards of this cycle"
        )
    drives = registry.current()
    for version in sorted({decision.version for decision in registry.decisions()} - set(versions)):
        role = "the version that drives" if version == drives else "a version that was decided on"
        problems[version] = [
            f"{registry.folder / 'versions' / version}: missing, and it is {role}: bring the folder back"
            + (" or roll back" if version == drives else "")
        ]
    return problems


def versions_in(path: Path) -> set[str]:
    """The versions of a store, of a folder of checkpoints, or of one checkpoint, as their cards say.

    Raises:
        UserError: there is none, or a card was damaged.
    """
    if path.is_dir():
        files = [*path.glob("*.safetensors"), *path.glob("versions/[!.]*/model.safetensors")]
        # Beside a checkpoint may lie its rehearsal windows, which have no card.
        files = [file for file in files if file.with_suffix(".json").is_file()]
        if not files:
            raise UserError(f"{path}: there is no checkpoint in it: give a checkpoint or a store")
    else:
        files = [path]
    return {load_card(file).version for file in files}


def _in_a_cycle(cards: Mapping[str, Card]) -> list[str]:
    """Versions that are their own ancestors, without those that are their own parents."""
    parents = {version: card.parent for version, card in cards.items()}
    return [
        version
        for version in parents
        if any(parents.get(ancestor) == version for ancestor in ancestors(version, parents))
    ]
