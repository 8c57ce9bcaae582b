"""What YAML's own parser lets pass, or refuses without a word about the place."""

from __future__ import annotations

from collections.abc import Iterator

import yaml

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
