"""How a deployment begins."""

from __future__ import annotations

from adapt.errors import UserError
from adapt.model.checkpoint import content_hash
from adapt.model.world_model import WorldModel
from adapt.registry.registry import Registry


def first_version(registry: Registry, model: WorldModel) -> str:
    """The version that is admitted now; in an empty registry the pretrained model becomes the first.

    Raises:
        UserError: the registry began with another model.
    """
    current = registry.current()
    if current is None:
        card = registry.add(model, parent=None, lineage={"source": "pretrained"})
        registry.admit(card.version, {}, "pretrained in simulation")
        return card.version
    first = registry.decisions()[0].version
    if content_hash(model.state_dict()) != first:
        raise UserError(
            f"{registry.folder}: began with version {first}, not with the checkpoint given now:"
            " give that checkpoint, or begin a new store"
        )
    return current
