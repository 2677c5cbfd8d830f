"""The items of W&B's records: their path, and their value as JSON."""

from __future__ import annotations

import json
from typing import Any

Path_ = tuple[str, ...]

_NUMBER = b"-0123456789NI"  # NaN and Infinity, too
_WORDS = ("NaN", "Infinity", "-Infinity")  # older versions write them as text
_DEEPEST = 20


def path_of(item: Any) -> Path_:
    """The item's name: one key, or several of nested objects."""
    return tuple(key.decode("utf-8", "replace") for key in item.nested_key or (item.key,))


def value_of(item: Any) -> Any:
    """The item's value; ValueError where it is no JSON."""
    text = item.value_json
    if not text and hasattr(item, "none"):
        kind = item.WhichOneof("value")
        if kind == "text":
            return item.text.decode("utf-8", "replace")
        if kind in ("boolean", "integer", "number"):
            return getattr(item, kind)
        if kind == "none":
            return None
        text = item.json
    if text[:1] in (b"[", b"{", b'"') or text in (b"null", b"true", b"false"):
        try:
            return json.loads(text)
        except RecursionError:
            raise ValueError("nested too deeply") from None
    if text[:1] not in _NUMBER or not text:
        raise ValueError("no JSON")
    if text.lstrip(b"-").isdigit() and len(text) < 20:
        return int(text)
    return float(text)


def number(value: Any) -> float | None:
    """The number that was logged, or None where something else was."""
    if isinstance(value, str):
        return float(value) if value in _WORDS else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def expand(path: Path_, value: Any, out: dict[Path_, Any]) -> None:
    """Put a value among those of its row; those of a nested object each by its path."""
    if isinstance(value, dict) and value and len(path) < _DEEPEST:
        for key, inner in value.items():
            expand((*path, str(key)), inner, out)
    else:
        out[path] = value


def put(held: dict[str, Any], path: Path_, value: Any) -> None:
    """Set a value in a nested object."""
    for key in path[:-1]:
        inner = held.get(key)
        if not isinstance(inner, dict):
            inner = held[key] = {}
        held = inner
    held[path[-1]] = value


def take(held: dict[str, Any], path: Path_) -> None:
    """Remove a value of a nested object."""
    for key in path[:-1]:
        inner = held.get(key)
        if not isinstance(inner, dict):
            return
        held = inner
    held.pop(path[-1], None)
