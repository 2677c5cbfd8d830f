"""What a TorchScript archive may do: its code looked through for the operators that it calls, before it is loaded."""

from __future__ import annotations

import ast
import pickletools
import re
from functools import cache

from reportgen.checked_archive import COPY, DROP, OUTSIDE, TRUSTED, Check, refuse
from reportgen.errors import InputError, one_line
from reportgen.units import shorten


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# What TorchScript has beside torch's own kernels, on lists, dicts, texts and numbers: none of it leaves the process.
_LANGUAGE = _words(
    """
    Bool Complex ComplexImplicit Delete Float FloatImplicit Int IntImplicit ScalarImplicit Size __contains__
    __derive_index __getitem__ __interpolate __is__ __isnot__ __not__ __range_length __round_to_zero_floordiv __upsample
    __upsample_bilinear __upsample_nearest _get_tracing_state _grad_sum_to_size _infer_size _list_to_tensor
    _ncf_unsqueeze _ncf_view _no_grad_embedding_renorm_ _no_grad_fill_ _no_grad_normal_ _no_grad_uniform_
    _no_grad_zero_ _pack_sequence _set_item _size_if_not_equal _tensor_to_list _unwrap_optional append as_tensor
    broadcast_shapes capitalize clear count cpu cuda degrees device dict divmod element_size endswith extend fabs
    factorial find floordiv format gamma get grad has_torch_function hash insert is_autocast_cpu_enabled
    is_autocast_enabled is_grad_enabled is_non_overlapping_and_dense is_scripting isalnum isalpha isdecimal isdigit
    islower isnumeric isspace isupper items join keys len list ljust lower lstrip mathremainder modf ord partition
    percentFormat pop popitem radians remove replace reverse rfind rindex rjust rpartition rsplit rstrip setdefault
    sorted splitlines startswith str strip tensor title update upper wait warn zfill
    """
)
_PRIM = _words(
    """
    IfThenElse NumToTensor RaiseException TupleIndex TupleUnpack Uninitialized VarConcat VarStack StringIndex
    ModuleContainerIndex EnumName EnumValue abs data device dtype grad id index is_cpu is_cuda is_ipu is_maia is_meta
    is_mkldnn is_mps is_mtia is_nested is_quantized is_sparse is_sparse_csr is_vulkan is_xla is_xpu itemsize layout max
    min name nbytes rangelist requires_grad tolist type unchecked_cast unchecked_unwrap_optional
    """
)
_WORDS = _words(
    """
    annotate uninitialized unchecked_cast getattr hasattr isinstance range len float int bool str complex min max abs
    round tuple list dict AssertionError Exception fork awaitable awaitable_wait enumerate zip sum any all divmod
    """
)
_TYPES = _words(
    """
    Any Await BroadcastingList2 Complex Device Dict Enum Final Function Future Generator InferredType Layout
    List Module NamedTuple NoneType Optional QScheme Scalar Storage Stream Tensor Tuple Union number Interface
    ScalarType MemoryFormat Exception AssertionError
    """
)
_GLOBALS = frozenset(
    ("torch", "ops", "CONSTANTS", "__torch__", "__annotations__", "inf", "infj", "nan", "nanj")
)
_NEVER = frozenset(("print", "chr", "rpc_async", "rpc_sync", "rpc_remote"))
_SPACES = ("quantized", "prims")  # whose every kernel computes
_CLASSES = re.compile(r"torch\.classes\.(\w*)")
_KNOWN_CLASSES = ("", "quantized")
_SOURCE = re.compile(r"code/[\w/.]+\.py", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_MANGLED = re.compile(r"___torch_mangle_\d+")
_LOOKED_UP = frozenset(
    ("STACK_GLOBAL", "INST", "OBJ", "EXT1", "EXT2", "EXT4")
)  # opcodes that torch never writes here
LOADING = "__setstate__"  # the one method that runs while the file is read
_DUNDER = _words(
    """
    __torch__ __annotations__ __setstate__ __getstate__ __len__ __contains__ __getitem__ __iter__ __next__ __enter__
    __exit__ __is__ __isnot__ __not__ __and__ __or__ __xor__ __lshift__ __rshift__ __iand__ __ior__ __ixor__ __ilshift__
    __irshift__ __derive_index __range_length __interpolate __upsample __upsample_bilinear __upsample_nearest
    __round_to_zero_floordiv
    """
)


def entries(name: str) -> str | Check | None:
    """What becomes of an entry of a TorchScript archive; None refuses it."""
    if _SOURCE.fullmatch(name):
        return _source
    if re.fullmatch(r"(data|constants|attributes)\.pkl", name):
        return _pickle
    if re.fullmatch(r"(data|constants)/\w+|version|byteorder|\.data/\w+", name):
        return COPY
    dropped = r"code/.*\.debug_pkl|.*debug_handles.*|traced_inputs(\.pkl|/\w+)|bytecode\.pkl|mobile_debug.*|extra/.*"
    return DROP if re.fullmatch(dropped, name) else None


def _pickle(content: bytes) -> bytes:
    """Torch's own unpickler knows tensors, plain values, the archive's classes and registered ones, by their names."""
    try:
        opcodes = [(opcode.name, arg) for opcode, arg, _ in pickletools.genops(content)]
    except Exception as error:  # noqa: BLE001 - damaged pickles raise anything
        raise refuse(f"a pickle in it can't be read: {one_line(error)}") from None
    for name, arg in opcodes:
        if name in _LOOKED_UP:
            raise refuse(f"a pickle in it has the opcode {name}, which no TorchScript has")
        if isinstance(arg, str):
            _known_classes(arg.replace(" ", "."))  # a global is a module and a name
    return content


def _known_classes(text: str) -> None:
    strange = next((name for name in _CLASSES.findall(text) if name not in _KNOWN_CLASSES), None)
    if strange is not None:
        raise refuse(
            f"it holds an object of torch.classes.{strange}, which is not known to be harmless", TRUSTED
        )


def _source(content: bytes) -> bytes:
    """One file of code, every name in it looked up in the lists above."""
    try:
        tree = ast.parse(content.decode("ascii"))
        plain = ast.unparse(tree)
        nodes = list(ast.walk(tree))
        _known_classes(plain)
        _Source(nodes).check()
        return content
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        if isinstance(error, InputError):
            raise
        raise refuse(f"its code can't be looked through: {one_line(error, 120)}", TRUSTED) from None


class _Source:
    """The nodes of one file of code."""

    def __init__(self, nodes: list[ast.AST]) -> None:
        self.nodes = nodes
        self.inner = {
            id(node.value) for node in nodes if isinstance(node, ast.Attribute)
        }  # of a longer chain
        stored = (node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))
        given = (node.arg for node in nodes if isinstance(node, ast.arg))
        self.local = {*stored, *given}
        self.functions = [node for node in nodes if isinstance(node, ast.FunctionDef)]

    def check(self) -> None:
        """Raise InputError for what is not on a list."""
        for node in self.nodes:
            if isinstance(node, ast.Name):
                self._name(node.id)
            elif isinstance(node, ast.Attribute):
                if (
                    node.attr.startswith("__")
                    and node.attr not in _DUNDER
                    and not _MANGLED.fullmatch(node.attr)
                ):
                    raise _calls(node.attr)
                if id(node) not in self.inner:
                    _operator(_chain(node))
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                _method(node.func.attr)
            elif isinstance(node, ast.Call) and _chain(node.func) == ["getattr"]:
                _looked_up(node.args)
            elif (
                isinstance(node, ast.Constant) and isinstance(node.value, str) and _CONTROL.search(node.value)
            ):
                raise refuse(
                    f"its code holds a text with control characters, {shorten(ascii(node.value), 60)}",
                    TRUSTED,
                )
        self._loading()

    def _name(self, name: str) -> None:
        known = name in self.local or name in _WORDS | _TYPES | _GLOBALS or _MANGLED.fullmatch(name)
        if name in _NEVER or not known:
            raise _calls(name)

    def _loading(self) -> None:
        """What runs while the file is read may not loop, nor call what is not looked at here: nothing could end it."""
        waiting, done = [node for node in self.functions if node.name == LOADING], set()
        while waiting:
            function = waiting.pop()
            done.add(id(function))
            for node in ast.walk(function):
                if isinstance(node, ast.For | ast.While):
                    raise refuse(f"its code has a loop in {LOADING}, which runs while it is read", TRUSTED)
                if isinstance(node, ast.Call):
                    waiting += [one for one in self._called(node) if id(one) not in done]

    def _called(self, node: ast.Call) -> list[ast.FunctionDef]:
        """The functions of this file that a call may mean; none where it is an operator's."""
        chain = _chain(node.func)
        if chain and (chain[0] in ("torch", "ops") or (len(chain) == 1 and chain[0] in _WORDS)):
            return []
        found = [one for one in self.functions if one.name == getattr(node.func, "attr", "")]
        if not found:
            raise refuse(
                f"its code calls {shorten(ascii('.'.join(chain)), 60)} in {LOADING}, while it is read",
                TRUSTED,
            )
        return found


def _operator(chain: list[str]) -> None:
    """A name below `torch` or `ops`; others are the archive's own, whose code is here too, or a value's."""
    if chain[:1] == ["torch"] and not (len(chain) == 2 and _kernel(chain[1])):
        raise _calls(".".join(chain))
    if chain[:1] == ["ops"]:
        space, name = (*chain[1:], "", "")[:2]
        known = {"prim": name in _PRIM, "aten": _kernel(name)}.get(space, space in _SPACES)
        if len(chain) != 3 or not known:
            raise _calls(".".join(chain))


def _method(name: str) -> None:
    """A method of the archive's own, or an operator written as a method of its first argument."""
    import torch

    builtin = any(torch._C._jit_get_schemas_for_operator(f"{space}::{name}") for space in ("aten", "prim"))
    if builtin and not (_kernel(name) or name in _PRIM):
        raise _calls(name)


def _looked_up(args: list[ast.expr]) -> None:
    """`getattr` of a value of the archive's own, by a name that stands there; a name of an operator is one."""
    name = args[1].value if len(args) > 1 and isinstance(args[1], ast.Constant) else None
    if not isinstance(name, str) or _chain(args[0])[:1] in (["torch"], ["ops"]) or name.startswith("__"):
        raise _calls("getattr")
    _method(name)


def _chain(node: ast.expr) -> list[str]:
    """The names of `a.b.c`, from the left; nothing where it starts from something else than a name."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return [node.id, *reversed(names)] if isinstance(node, ast.Name) else []


def _kernel(name: str) -> bool:
    """Whether `torch.name` computes: a kernel of aten's, or an operation of the language's own values.

    What only the interpreter has, as aten::save, is in the list of the language or is not.
    """
    if name in _LANGUAGE:
        return True
    if name in OUTSIDE or not name.isidentifier():
        return False
    return name in _kernels()


@cache
def _kernels() -> frozenset[str]:
    """The names of all kernels of aten that the dispatcher knows."""
    import torch

    names = (one.partition(".")[0].partition("::") for one in torch._C._dispatch_get_all_op_names())
    return frozenset(name for space, _, name in names if space == "aten")


def _calls(name: str) -> InputError:
    return refuse(
        f"its code calls {shorten(ascii(name), 60)}, which is not on the list of what computes", TRUSTED
    )
