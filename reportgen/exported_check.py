"""What an exported program (.pt2) may say: names, sizes and operators, field by field of torch's own schema."""

from __future__ import annotations

import dataclasses
import json
import re
import types
import typing
from collections.abc import Callable
from enum import IntEnum
from typing import Any

from reportgen.checked_archive import COPY, DROP, OUTSIDE, TRUSTED, Check, parsed, refuse
from reportgen.units import shorten

NEWER = "export it with this version of torch: torch.export.save(torch.export.export(model, inputs), path)"

# Names reach Python source that torch writes and runs, so each is an identifier, dotted where it is a path.
_IDENTIFIER = re.compile(r"(?!__)[A-Za-z_]\w*", re.ASCII)
_DOTTED = re.compile(r"(?!__)\w+(\.(?!__)\w+)*", re.ASCII)
_SYMBOL_NAME = re.compile(r"(s|u|f|zf|zuf|i)\d+")
_PAYLOAD = re.compile(r"(weight|tensor)_\d+")
_DEVICE = re.compile(r"[a-z]{1,16}")
_WORD = re.compile(r"[A-Z_]{1,40}")
_PRINTABLE = re.compile(r"[^\x00-\x1f\x7f-\x9f]*")

_OPERATOR = re.compile(r"torch\.ops\.(aten|prims|quantized|quantized_decomposed)\.(\w+)\.(\w+)", re.ASCII)
_HIGHER = frozenset(
    f"torch.ops.higher_order.{name}"
    for name in (
        "cond", "while_loop", "scan", "map_impl", "associative_scan", "out_dtype", "flex_attention",
        "wrap_with_set_grad_enabled", "wrap_with_autocast", "invoke_subgraph",
    )
)  # fmt: skip
_PLAIN = frozenset(
    [
        *(
            f"_operator.{name}"
            for name in (
                "add", "and_", "eq", "floordiv", "ge", "getitem", "gt", "le", "lshift", "lt", "mod", "mul", "ne", "neg",
                "not_", "or_", "pos", "pow", "rshift", "sub", "truediv", "xor",
            )
        ),
        *(
            f"math.{name}"
            for name in (
                "acos", "asin", "atan", "atan2", "ceil", "cos", "cosh", "exp", "fabs", "floor", "log", "log2", "pow",
                "sin", "sinh", "sqrt", "tan", "tanh", "trunc",
            )
        ),
        *(f"torch.sym_{name}" for name in ("float", "int", "ite", "max", "min", "not", "sqrt", "sum")),
        "torch._sym_sqrt",
    ]
)  # fmt: skip

# Sizes are expressions that are evaluated: numbers, symbols and these functions alone.
_WORDS = re.compile(
    "Max|Min|Eq|Ne|Ge|Gt|Le|Lt|And|Or|Not|Mod|PythonMod|FloorDiv|CleanDiv|CeilDiv|CeilToInt|FloorToInt|ToFloat|"
    "IntTrueDiv|FloatTrueDiv|TruncToInt|TruncToFloat|RoundToInt|PowByNatural|FloatPow|Pow|Abs|Integer|Identity|"
    "ModularIndexing|Where|True|False|int_oo|oo|Add|Mul|Rational|Float|(s|u|f|zf|zuf|i)[0-9]+"
)
_SYMBOL = re.compile(r"Symbol\('(s|u|f|zf|zuf|i)[0-9]+'(, [a-z_]+=(True|False))*\)")
_EXPRESSION = re.compile(
    r"(\d{1,20}(\.\d{1,20})?(e[+-]?\d{1,3})?|[A-Za-z_]\w*|[\s()+\-,<>=!&|~%]|[*/]{1,2})*"
)
_HUGE = re.compile(r"\d{21}")
_POWER = re.compile(r"\*\*|\bPow\b|\bPowByNatural\b")

# How the outputs of `forward` are held together; a context is a list of keys, a length or nothing.
_HOLDERS = frozenset(
    (
        None, "builtins.tuple", "builtins.list", "builtins.dict", "collections.OrderedDict", "collections.deque",
        "torch.fx.immutable_collections.immutable_list", "torch.fx.immutable_collections.immutable_dict",
    )
)  # fmt: skip


def entries(name: str) -> str | Check | None:
    """What becomes of an entry of a .pt2, or of the older layout of torch 2.6 and 2.7; None refuses it."""
    if re.fullmatch(r"models/[\w-]+\.json", name) or name == "serialized_exported_program.json":
        return _program
    if re.fullmatch(r"data/(weights|constants)/[\w-]+_config\.json", name):
        return _payloads
    if re.fullmatch(r"data/weights/weight_\d+|data/constants/tensor_\d+|data/sample_inputs/[\w-]+\.pt", name):
        return COPY
    if re.fullmatch(r"serialized_(state_dict|constants|example_inputs)\.pt|version", name):
        return COPY
    if name in ("archive_format", "archive_version", "byteorder", ".data/version", ".data/serialization_id"):
        return COPY
    return DROP if re.fullmatch(r"(data/extra|extra|extra_files)/.*", name) else None


def _program(content: bytes) -> bytes:
    """The graph of one model, checked; without the guards, which are code, and without what only traces need."""
    from torch._export.serde import schema

    made = parsed(content, "graph")
    if isinstance(made, dict):
        made["guards_code"] = []
        made.get("graph_module", {}).pop("metadata", None)
        _stripped(made)
    return _held(schema.ExportedProgram, made)


def _stripped(content: Any) -> None:
    """Of what is noted of each node, keep the layer it is from."""
    waiting = [content]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            noted = value.get("metadata")
            if isinstance(noted, dict):
                value["metadata"] = (
                    {"nn_module_stack": noted["nn_module_stack"]} if "nn_module_stack" in noted else {}
                )
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value


def _payloads(content: bytes) -> bytes:
    from torch._export.serde import schema

    return _held(schema.PayloadConfig, parsed(content, "list of weights"))


def _held(kind: Any, made: Any) -> bytes:
    try:
        _Walk().value(kind, made, "")
    except RecursionError:
        raise refuse("the graph is nested too deep") from None
    return json.dumps(made).encode()


def operator(text: str) -> bool:
    """Whether a graph may call this: an operator of torch's that computes, or plain arithmetic."""
    if text in _PLAIN or text in _HIGHER:
        return True
    named = _OPERATOR.fullmatch(text)
    if named is None or named[2] in OUTSIDE:
        return False
    import torch

    space = getattr(torch.ops, named[1])
    packet = getattr(space, named[2], None)
    return isinstance(getattr(packet, named[3], None), torch._ops.OpOverload)


def size(text: str) -> bool:
    """Whether an expression is arithmetic on numbers and symbols, and short enough to be worked out."""
    text = _SYMBOL.sub("s0", text)
    words = re.findall(r"[A-Za-z_]\w*", re.sub(r"\d+(\.\d+)?e[+-]?\d+", "0", text))
    plain = bool(_EXPRESSION.fullmatch(text)) and all(map(_WORDS.fullmatch, words))
    return plain and len(text) < 10_000 and not _HUGE.search(text) and len(_POWER.findall(text)) <= 4


def treespec(text: str) -> bool:
    """Whether the description of nested containers names only plain ones: others would be looked up and imported."""
    try:
        waiting = [json.loads(text)[1]]
        while waiting:
            node = waiting.pop()
            context = node["context"] if node["context"] is None else json.loads(node["context"])
            flat = context if isinstance(context, list) else [context]
            if node["type"] not in _HOLDERS or set(node) != {"type", "context", "children_spec"}:
                return False
            if not all(key is None or isinstance(key, str | int | float) for key in flat):
                return False
            waiting += node["children_spec"]
    except (ValueError, TypeError, KeyError, IndexError, RecursionError):
        return False
    return True


def _one_of(pattern: re.Pattern[str], *also: str) -> Callable[[str], bool]:
    return lambda text: text in also or bool(pattern.fullmatch(text))


_name, _path, _free = _one_of(_IDENTIFIER), _one_of(_DOTTED), _one_of(_PRINTABLE)
# Every text of the schema, by the class and field that holds it; a field that is not here refuses the file.
_TEXTS: dict[str, Callable[[str], bool]] = {
    "Device.type": _one_of(_DEVICE),
    "SymExpr.expr_str": size,
    "SymIntArgument.as_name": _name,
    "SymFloatArgument.as_name": _name,
    "SymBoolArgument.as_name": _name,
    "TensorArgument.name": _one_of(_IDENTIFIER, ""),
    "TokenArgument.name": _name,
    "GraphArgument.name": _name,
    "Argument.as_string": _free,
    "Argument.as_strings": _free,
    "Argument.as_operator": operator,
    "Argument.as_string_to_argument": _name,
    "NamedArgument.name": _one_of(_IDENTIFIER, ""),
    "Node.target": operator,
    "Node.metadata": _free,
    "Node.name": _name,
    "Graph.tensor_values": _name,
    "Graph.sym_int_values": _name,
    "Graph.sym_bool_values": _name,
    "Graph.sym_float_values": _name,
    "InputToConstantInputSpec.name": _name,
    "ConstantValue.as_string": _free,
    "InputToParameterSpec.parameter_name": _path,
    "InputToBufferSpec.buffer_name": _path,
    "InputToTensorConstantSpec.tensor_constant_name": _path,
    "BufferMutationSpec.buffer_name": _path,
    "ParameterMutationSpec.parameter_name": _path,
    "GradientToParameterSpec.parameter_name": _path,
    "GradientToUserInputSpec.user_input_name": _name,
    "UserInputMutationSpec.user_input_name": _name,
    "ModuleCallSignature.in_spec": treespec,
    "ModuleCallSignature.out_spec": treespec,
    "ModuleCallSignature.forward_arg_names": _name,
    "ModuleCallEntry.fqn": _one_of(re.compile(_DOTTED.pattern + r"(@\d+)?", re.ASCII), ""),
    "ExportedProgram.opset_version": _one_of(re.compile(r"\w+")),
    "ExportedProgram.range_constraints": _one_of(_SYMBOL_NAME),
    "ExportedProgram.verifiers": _one_of(_WORD),
    "ExportedProgram.torch_version": _free,
    "PayloadMeta.path_name": _one_of(_PAYLOAD),
    "PayloadConfig.config": _path,
}


class _Walk:
    """JSON held against a class of torch's schema: no unknown field, and each text by its rule."""

    def value(self, kind: Any, value: Any, place: str) -> None:
        origin = typing.get_origin(kind)
        if origin is typing.Annotated:
            self.value(typing.get_args(kind)[0], value, place)
        elif origin in (typing.Union, types.UnionType):
            if value is not None:
                self.value(next(one for one in typing.get_args(kind) if one is not type(None)), value, place)
        elif origin is list:
            for item in self._typed(value, list, place):
                self.value(typing.get_args(kind)[0], item, place)
        elif origin is dict:
            for key, item in self._typed(value, dict, place).items():
                self._text(key, place)
                self.value(typing.get_args(kind)[1], item, place)
        elif dataclasses.is_dataclass(kind):
            self._fields(kind, self._typed(value, dict, place), place)
        elif kind is str:
            self._text(self._typed(value, str, place), place)
        elif isinstance(kind, type) and issubclass(kind, IntEnum):
            self._typed(value, int, place)
        else:
            self._number(kind, value, place)

    def _fields(self, kind: Any, value: dict[str, Any], place: str) -> None:
        from torch._export.serde import schema

        hints = typing.get_type_hints(kind, vars(schema), include_extras=True)
        for name, item in value.items():
            if name not in hints:
                raise refuse(f"the graph has a field {shorten(repr(name), 60)} that is not known", NEWER)
            self.value(hints[name], item, f"{kind.__name__}.{name}")

    def _typed(self, value: Any, kind: type, place: str) -> Any:
        if not isinstance(value, kind):
            raise refuse(
                f"the graph has {shorten(repr(value), 60)} at {place or 'its start'}, which is no {kind.__name__}"
            )
        return value

    def _number(self, kind: Any, value: Any, place: str) -> None:
        if kind not in (int, float, bool) or not isinstance(value, bool | int | float | str):
            raise refuse(f"the graph has {shorten(repr(value), 60)} at {place}, which is no number")
        if isinstance(value, str) and value not in ("Infinity", "-Infinity", "NaN", "inf", "-inf", "nan"):
            raise refuse(f"the graph has {shorten(repr(value), 60)} at {place}, which is no number")

    def _text(self, text: str, place: str) -> None:
        allowed = _TEXTS.get(place)
        if allowed is None:
            raise refuse(f"the graph has a text at {place}, where none is known", TRUSTED)
        if not allowed(text):
            raise refuse(
                f"the graph wants {shorten(repr(text), 80)} ({place}), which is no plain name, size or known operator",
                TRUSTED,
            )
