"""Reads ``rollback.yml``; an error names the line, the key and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from bot.catalog.catalog import Catalog
from bot.catalog.paperwork import FOLDER
from bot.catalog.types import NAMESPACE, PATH, VARIABLE
from bot.core.errors import ConfigurationError

# What YAML's own parser lets pass, or refuses without a word about the place.

_MERGE = "tag:yaml.org,2002:merge"
_TIMESTAMP = "tag:yaml.org,2002:timestamp"


def mistakes(tree: yaml.Node | None) -> list[tuple[int, str]]:
    """Keys that stand twice, of which the first would be lost, and days that no calendar has.

    Each with its line.
    """
    return list(_in(tree, set())) if tree is not None else []


def _in(node: yaml.Node, seen: set[int]) -> Iterator[tuple[int, str]]:
    # An alias leads to a node again, perhaps to one that it stands in.
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        yield from _repeated(node)
        for key, value in node.value:
            yield from _in(key, seen)
            yield from _in(value, seen)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _in(item, seen)
    elif node.tag == _TIMESTAMP:
        yield from _impossible(node)


def _repeated(node: yaml.MappingNode) -> Iterator[tuple[int, str]]:
    lines: dict[str, int] = {}
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode) or key.tag == _MERGE:
            continue
        line = key.start_mark.line + 1
        if key.value in lines:
            yield line, f"{key.value}: this key stands already in line {lines[key.value]}"
        lines.setdefault(key.value, line)


def _impossible(node: yaml.Node) -> Iterator[tuple[int, str]]:
    try:
        yaml.SafeLoader("").construct_object(node)
    except ValueError as error:
        yield node.start_mark.line + 1, f"{node.value} is no day: {error}"


_PATTERNS = {
    VARIABLE: "name an environment variable here, such as GITHUB_TOKEN, never the secret itself",
    PATH: "must begin with “/”",
    NAMESPACE: "name one namespace: lower-case letters, digits and hyphens",
}
"""Regular expressions in a person's words."""


def load_catalog(path: Path) -> Catalog:
    """Read and check the catalog.

    Raises ConfigurationError with one line for every mistake found.
    """
    tree, content = _parsed(path)
    try:
        catalog = Catalog.model_validate(content, context={FOLDER: str(path.parent)})
    except ValidationError as error:
        problems = "\n".join(
            f"  {path}:{_line(tree, item['loc'])}: {_key(item['loc'])}: {_shown(item)}"
            for item in error.errors(include_url=False)
        )
        raise ConfigurationError(
            f"The catalog is wrong:\n{problems}\n",
            "docs/configuration.md explains every key, examples/rollback.yml shows them in use.",
        ) from None
    if catalog.texts is None:
        return catalog
    return catalog.model_copy(update={"texts": path.parent / catalog.texts})


def _parsed(path: Path) -> tuple[yaml.Node, dict[Any, Any]]:
    """The file as a tree with line numbers, and as values."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"The catalog {path} cannot be read: {error.strerror}.",
            "Name it with --config; examples/rollback.yml is a start.",
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path} is not UTF-8 text.", "Save it as UTF-8.") from error
    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        problems = [f"  {path}:{line}: {said}" for line, said in mistakes(tree)]
        content = None if problems else yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigurationError(
            f"{path} is not YAML: {_place(error)}.", "Mend the line."
        ) from error
    if problems:
        listed = "\n".join(problems)
        raise ConfigurationError(f"The catalog is wrong:\n{listed}\n", "Mend these lines.")
    if not isinstance(content, dict) or tree is None:
        raise ConfigurationError(f"{path} holds no mapping.", "Start from examples/rollback.yml.")
    return tree, content


def _place(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or "cannot be parsed"
    return f"line {mark.line + 1}, column {mark.column + 1}: {problem}" if mark else str(problem)


def _key(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location) or "the file"


def _line(node: yaml.Node, location: tuple[int | str, ...]) -> int:
    """The line of a key: of the deepest part of the location that stands in the file."""
    line = node.start_mark.line + 1
    for part in location:
        if isinstance(node, yaml.MappingNode):
            found = next(((k, v) for k, v in node.value if k.value == str(part)), None)
            if found is None:
                # A union's tag and a missing key stand nowhere in the file.
                continue
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            if part >= len(node.value):
                break
            node = node.value[part]
            line = node.start_mark.line + 1
    return line


def _shown(item: Any) -> str:
    """pydantic's message in a person's words, with a suggestion for a mistyped key."""
    kind, message = item["type"], str(item["msg"]).removeprefix("Value error, ")
    if kind == "extra_forbidden":
        # A key that stands elsewhere in the file is known, and no suggestion for itself.
        known = sorted(_known_keys() - {str(item["loc"][-1])})
        close = difflib.get_close_matches(str(item["loc"][-1]), known, n=1)
        return "unknown key" + (f"; did you mean “{close[0]}”?" if close else "; remove it")
    if kind == "missing":
        return "this key is needed and missing"
    if kind == "string_pattern_mismatch":
        return _PATTERNS.get(
            item["ctx"]["pattern"], f"must be written like {item['ctx']['pattern']}"
        )
    return message


def _known_keys() -> set[str]:
    """Every key that the catalog's models have."""
    keys: set[str] = set()
    schema = Catalog.model_json_schema()
    for definition in (schema, *schema.get("$defs", {}).values()):
        keys.update(definition.get("properties", {}))
    return keys
