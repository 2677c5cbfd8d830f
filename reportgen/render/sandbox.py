"""Where templates run: they see data, and call macros and filters, and nothing that acts."""

from __future__ import annotations

import re
from typing import Any

from jinja2.runtime import BlockReference, LoopContext, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment, SecurityError

# Of plain values, the methods that only give other plain values.
_METHODS: dict[type, frozenset[str]] = {
    str: frozenset(
        (
            "capitalize", "count", "endswith", "find", "index", "isdigit", "join", "lower", "lstrip", "partition",
            "removeprefix", "removesuffix", "replace", "rpartition", "rsplit", "rstrip", "split", "splitlines",
            "startswith", "strip", "title", "upper",
        )
    ),
    dict: frozenset(("get", "items", "keys", "values")),
    list: frozenset(("count", "index")),
    tuple: frozenset(("count", "index")),
}  # fmt: skip
_FILTERS = frozenset(
    (
        "abs", "capitalize", "count", "d", "default", "dictsort", "e", "escape", "first", "float", "forceescape",
        "groupby", "int", "items", "join", "last", "length", "list", "lower", "map", "max", "min", "reject",
        "rejectattr", "replace", "reverse", "round", "safe", "select", "selectattr", "sort", "string", "striptags",
        "sum", "title", "tojson", "trim", "truncate", "unique", "upper", "urlencode",
    )
)  # fmt: skip
_WIDE = re.compile(r"%(\([^)]*\))?[-+ 0#]*[.\d]*(\d{3}|\*)")
LONGEST = 1_000_000  # characters or items that a multiplication may make


class DataSandbox(ImmutableSandboxedEnvironment):
    """An environment whose templates reach the fields of what they are given, and no method of it.

    Raises jinja2.sandbox.SecurityError in a template that calls anything else than macros, filters, our own functions
    and the harmless methods of texts, lists and dicts.
    """

    intercepted_binops = frozenset(("*", "**", "%"))

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.filters = {name: made for name, made in self.filters.items() if name in _FILTERS}

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Fields that hold data; of plain values, methods from the list."""
        if not super().is_safe_attribute(obj, attr, value):
            return False
        if not callable(value) or isinstance(obj, LoopContext) or isinstance(value, Macro):
            return True
        return any(isinstance(obj, kind) and attr in names for kind, names in _METHODS.items())

    def is_safe_callable(self, obj: Any) -> bool:
        """Macros, blocks, our own functions, and the methods that `is_safe_attribute` let through."""
        if isinstance(obj, Macro | BlockReference | LoopContext) or any(
            obj is one for one in self.globals.values()
        ):
            return True
        owner = getattr(obj, "__self__", None)
        return any(
            isinstance(owner, kind) and getattr(obj, "__name__", "") in names
            for kind, names in _METHODS.items()
        ) or isinstance(owner, LoopContext | Macro)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Arithmetic on numbers of a page; nothing that fills the memory."""
        if operator == "%" and isinstance(left, str) and _WIDE.search(left):
            raise SecurityError(
                "a width of three digits or more, or *, in a text formatted with % in a template"
            )
        if operator == "**" and (abs(left) > LONGEST or abs(right) > 100):
            raise SecurityError(f"{left!r} ** {right!r} in a template is too large")
        if operator == "*":
            sizes = [len(one) for one in (left, right) if hasattr(one, "__len__")]
            times = [one for one in (left, right) if isinstance(one, int)]
            if sizes and times and sizes[0] * times[0] > LONGEST:
                raise SecurityError("a multiplication in a template makes too much")
        return super().call_binop(context, operator, left, right)
