"""What the configuration's models say of their keys: the text that stands under each attribute."""

from __future__ import annotations

import ast
import inspect
import textwrap
from functools import cache

from pydantic import BaseModel


@cache
def described(model: type[BaseModel]) -> dict[str, str]:
    """Attribute → its docstring in one line, the model's own over those that it inherits.

    Read from the source only when it is asked for: pydantic could keep the texts with the models
    (``use_attribute_docstrings``), at the price of parsing every module at every start.
    """
    found: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if issubclass(base, BaseModel) and base is not BaseModel:
            found |= _own(base)
    return found


def summary(model: type[BaseModel]) -> str:
    """The model's docstring in one line."""
    return _one_line(inspect.getdoc(model) or "")


def _own(model: type[BaseModel]) -> dict[str, str]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(model)))
    [definition] = tree.body
    if not isinstance(definition, ast.ClassDef):
        return {}
    texts: dict[str, str] = {}
    for statement, following in zip(definition.body, definition.body[1:], strict=False):
        if (
            isinstance(statement, ast.AnnAssign)
            and isinstance(statement.target, ast.Name)
            and isinstance(following, ast.Expr)
            and isinstance(following.value, ast.Constant)
            and isinstance(following.value.value, str)
        ):
            texts[statement.target.id] = _one_line(following.value.value)
    return texts


def _one_line(text: str) -> str:
    return " ".join(text.replace("``", "`").split())
