"""Conditions on a message, written as text: numbers, fields, comparisons, and, or, not; nothing else.

The text is parsed by Python's own parser and walked by us: nothing in it is ever executed.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from typing import Any

LONGEST = 500
COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
EXAMPLE = "write comparisons of fields and numbers, such as: abs(position[2]) > 1.5 and effort[2] > 4"


class Expression:
    """A condition such as `temperature > 60 or abs(linear_acceleration.z) < 2`.

    A field is a path of attributes, with a number in brackets where it is an array. A comparison with NaN
    is false, but for !=, and so is any with an entry that an array does not have.

    Raises:
        ValueError: the text is no such condition; the message says which part.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        if len(text) > LONGEST:
            raise ValueError(f"longer than {LONGEST} characters")
        try:
            self._tree = ast.parse(text.strip(), mode="eval").body
            _check(self._tree)
        except (SyntaxError, RecursionError, MemoryError) as error:
            raise ValueError(f"'{text}' cannot be read: {EXAMPLE}") from error

    def __call__(self, message: object) -> bool:
        """Whether the condition holds for a message.

        Raises:
            ValueError: the message has no such field, or it is no number or text.
        """
        return bool(_truth(self._tree, message))


def _check(node: ast.expr) -> None:
    """Refuse whatever is no condition."""
    if isinstance(node, ast.BoolOp):
        for each in node.values:
            _check(each)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        _check(node.operand)
    elif isinstance(node, ast.Compare):
        for operation in node.ops:
            if type(operation) not in COMPARISONS:
                raise ValueError(f"'{ast.unparse(node)}': only < <= > >= == != compare: {EXAMPLE}")
        for each in (node.left, *node.comparators):
            _check_value(each)
    else:
        raise ValueError(f"'{ast.unparse(node)}' is no condition: {EXAMPLE}")


def _check_value(node: ast.expr) -> None:
    if isinstance(node, ast.Call) and _is_abs(node):
        _check_value(node.args[0])
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        _check_value(node.operand)
    elif isinstance(node, (ast.Attribute, ast.Subscript)) and _leads_on(node):
        _check_value(node.value)
    elif not (isinstance(node, ast.Name) and not node.id.startswith("_")) and _constant(node) is None:
        raise ValueError(f"'{ast.unparse(node)}' is neither a number nor a field: {EXAMPLE}")


def _truth(node: ast.expr, message: object) -> bool:
    if isinstance(node, ast.BoolOp):
        every = all if isinstance(node.op, ast.And) else any
        return every(_truth(each, message) for each in node.values)
    if isinstance(node, ast.UnaryOp):
        return not _truth(node.operand, message)
    assert isinstance(node, ast.Compare)
    try:
        values = [_plain(each, message) for each in (node.left, *node.comparators)]
    except IndexError:
        return False
    try:
        return all(
            bool(COMPARISONS[type(operation)](first, second))
            for operation, first, second in zip(node.ops, values, values[1:], strict=False)
        )
    except TypeError as error:
        raise ValueError(f"'{ast.unparse(node)}' compares text with a number") from error


def _plain(node: ast.expr, message: object) -> float | str:
    value = _value(node, message)
    if isinstance(value, str):
        return value
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        part = ast.unparse(node)
        raise ValueError(f"'{part}' is no number: name one of its fields or entries, as {part}[0]") from error


def _value(node: ast.expr, message: object) -> Any:
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.UnaryOp):
        return -float(_plain(node.operand, message))
    if isinstance(node, ast.Call):
        return abs(float(_plain(node.args[0], message)))
    if isinstance(node, ast.Subscript):
        try:
            return _value(node.value, message)[_constant(node.slice)]
        except TypeError as error:
            raise ValueError(f"'{ast.unparse(node.value)}' is no array") from error
    of, name = (message, node.id) if isinstance(node, ast.Name) else (None, "")
    if isinstance(node, ast.Attribute):
        of, name = _value(node.value, message), node.attr
    try:
        return getattr(of, name)
    except AttributeError as error:
        raise ValueError(f"there is no field '{ast.unparse(node)}'") from error


def _leads_on(node: ast.Attribute | ast.Subscript) -> bool:
    """Whether it is a field that may be read, or an entry by its number."""
    if isinstance(node, ast.Attribute):
        return not node.attr.startswith("_")
    return isinstance(_constant(node.slice), int)


def _constant(node: ast.expr) -> int | float | str | None:
    """A number or text that stands there as it is; None for anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float, str)):
        return node.value
    return None


def _is_abs(node: ast.Call) -> bool:
    named = isinstance(node.func, ast.Name) and node.func.id == "abs"
    return named and len(node.args) == 1 and not node.keywords
