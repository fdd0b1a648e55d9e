"""The message types of one bag: the definitions in it, or else .msg files, or else the standard ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rosbags.interfaces import Connection, MessageDefinition, MessageDefinitionFormat, Nodetype
from rosbags.interfaces.typing import Typesdict
from rosbags.typesys import Stores, TypesysError, get_types_from_idl, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from adapt.bags.topic import standard_types
from adapt.errors import UserError

IDL_SEPARATOR = "=" * 80 + "\n"


class BagTypes:
    """Decodes the messages of one bag. A type that cannot be known spoils only its own topics.

    Each type that the bag defines has a store of its own, so that one bad definition, or two that
    disagree about a type they both use, do no harm to the others.

    Raises:
        UserError: `msg_dir` is missing, or a .msg file in it cannot be parsed.
    """

    def __init__(self, connections: Sequence[Connection], msg_dir: Path | None = None) -> None:
        self._stores: dict[str, Typestore] = {}
        self._problems: dict[str, str] = {}
        outside = standard_types() if msg_dir is None else _types_of_folder(msg_dir)
        for connection in connections:
            name = connection.msgtype
            if name in self._stores or name in self._problems:
                continue
            embedded = bool(connection.msgdef.data)
            try:
                store = _types_of_definition(name, connection.msgdef) if embedded else outside
                store.get_msgdef(name)
            except KeyError as error:
                self._problems[name] = (
                    f"the type {error.args[0]} is not known and not defined in the bag: give its .msg file"
                    " with --msg-dir"
                )
            except (
                Exception
            ) as error:  # The definition is foreign text that becomes code: anything may break.
                reason = " ".join(str(error).split())
                self._problems[name] = f"the definition of {name} cannot be parsed ({reason})"
            else:
                self._stores[name] = store

    def problem(self, type_name: str) -> str | None:
        """Why messages of that type cannot be decoded; None if they can."""
        return self._problems.get(type_name)

    def decode(self, data: bytes, type_name: str) -> object:
        """The message object; its attributes are the fields.

        Raises:
            rosbags.serde.SerdeError: the bytes do not fit the type.
        """
        return self._stores[type_name].deserialize_cdr(data, type_name)

    def starts_with_header(self, type_name: str) -> bool:
        """Whether the first field of that type is a std_msgs/Header, so that its stamp has a fixed place."""
        store = self._stores.get(type_name)
        if store is None or not store.fielddefs[type_name][1]:
            return False
        _, (kind, content) = store.fielddefs[type_name][1][0]
        return kind is Nodetype.NAME and content == "std_msgs/msg/Header"


def _types_of_definition(name: str, definition: MessageDefinition) -> Typestore:
    types: Typesdict = {}
    if definition.format is MessageDefinitionFormat.MSG:
        types.update(get_types_from_msg(definition.data, name))
    elif definition.data.startswith(f"{IDL_SEPARATOR}IDL: "):
        for part in definition.data.split(IDL_SEPARATOR)[1:]:
            types.update(get_types_from_idl(part.split("\n", 1)[1]))
    else:
        types.update(get_types_from_idl(definition.data))
    store = get_typestore(Stores.EMPTY)
    store.register(types)
    return store


def _types_of_folder(folder: Path) -> Typestore:
    """The standard types and those of `<package>/msg/<Type>.msg` anywhere under `folder`."""
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder of .msg files")
    types: Typesdict = dict(standard_types().fielddefs)
    for path in sorted(folder.rglob("*.msg")):
        package = path.parent.parent if path.parent.name == "msg" else path.parent
        name = f"{package.name}/msg/{path.stem}"
        try:
            types.update(get_types_from_msg(path.read_text(encoding="utf-8"), name))
        except (TypesysError, UnicodeDecodeError) as error:
            raise UserError(f"{path}: not a message definition: {' '.join(str(error).split())}") from error
    store = get_typestore(Stores.EMPTY)
    store.register(types)
    return store
