"""YAML read as plain data: nothing is constructed, executed or expanded without bound."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reportgen.history.readers.base import UnreadableError
from reportgen.history.readers.flat import typed
from reportgen.units import shorten

_LARGEST = 1 << 18  # bytes: a second's work for the parser
_MOST = 20_000  # values, each alias counted as often as it stands
_DEEPEST = 20
_PATHS = "python/object/apply:pathlib."
_PREFIX = "tag:yaml.org,2002:"


def load(path: Path, *, exponents: bool = True) -> dict[str, Any]:
    """The mapping in a file, with lists, texts, numbers, booleans and None. Raises UnreadableError, OSError.

    `exponents` reads 1e-05 as the number that is meant, though YAML 1.1 takes it for text.

    Only the nodes are taken from the parser, so that a tag (`!!python/tuple`, as Lightning writes it) leaves
    plain data, and an alias costs what it stands for.
    """
    import yaml  # type: ignore[import-untyped]

    with path.open("rb") as file:
        content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise UnreadableError(f"larger than {_LARGEST >> 10} KiB: expected a mapping of settings in YAML")
    try:
        node = yaml.compose(content.decode("utf-8-sig", "replace"), Loader=yaml.SafeLoader)
        data = _Walk(yaml, exponents).data(node, 0) if node is not None else {}
    except RecursionError:
        raise UnreadableError("nested too deeply: expected a mapping of settings in YAML") from None
    except yaml.YAMLError as error:
        said = shorten(str(error), 120)
        raise UnreadableError(f"no whole YAML ({said}): expected a mapping of settings") from None
    if not isinstance(data, dict):
        raise UnreadableError(f"a YAML {type(data).__name__}: expected a mapping of settings")
    return data


class _Walk:
    """From nodes to data, within bounds."""

    def __init__(self, yaml: Any, exponents: bool) -> None:
        self._yaml, self._exponents = yaml, exponents
        self._scalars = yaml.constructor.SafeConstructor()
        self._left = _MOST

    def data(self, node: Any, depth: int) -> Any:
        """What a node stands for."""
        self._left -= 1
        if self._left < 0:
            raise UnreadableError(f"more than {_MOST:,} values (aliases expanded): expected settings in YAML")
        if isinstance(node, self._yaml.ScalarNode):
            return self._scalar(node)
        if depth >= _DEEPEST:
            return "…"
        if isinstance(node, self._yaml.MappingNode):
            return {str(self.data(key, depth + 1)): self.data(value, depth + 1) for key, value in node.value}
        parts = [self.data(inner, depth + 1) for inner in node.value]
        if node.tag.removeprefix(_PREFIX).startswith(_PATHS) and all(isinstance(part, str) for part in parts):
            return "/".join(parts)  # in one piece from Python 3.14 on, in its folders before
        return parts

    def _scalar(self, node: Any) -> Any:
        kind = node.tag.removeprefix(_PREFIX)
        if kind == "null":
            return None
        if kind in ("bool", "int", "float"):
            try:
                return getattr(self._scalars, f"construct_yaml_{kind}")(node)
            except (ValueError, LookupError):  # tagged so, and none; or too many digits
                return node.value
        if kind == "str" and node.style is None and self._exponents:
            return typed(node.value)
        return node.value or kind.removeprefix("python/")
