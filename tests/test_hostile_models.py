"""Files of models that were made to run code: each is refused before anything of it is loaded."""

from __future__ import annotations

import io
import json
import struct
import warnings
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from torch import nn

from reportgen.cli import main
from reportgen.errors import InputError
from reportgen.programs import load

X = torch.randn(2, 4, generator=torch.Generator().manual_seed(0))


class Two(nn.Module):
    """A linear layer, a buffer, and an output of its own shape."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(4, 3)
        self.register_buffer("scale", torch.ones(3))

    def forward(self, x):
        return {"scores": self.inner(x) * self.scale, "rest": [x + 1, (x - 1, x * x.shape[0])]}


@pytest.fixture
def program(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exported = torch.export.export(
            Two().eval(), (X,), dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=64)},)
        )
        torch.export.save(exported, tmp_path / "net.pt2")
    return tmp_path / "net.pt2"


def rewritten(source: Path, change) -> Path:
    """The same archive with the text of each member passed through `change(name, text)`."""
    target = source.with_name(f"hostile{source.suffix}")
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            new.writestr(zipfile.ZipInfo(name), change(name, old.read(name)))
    return target


def replaced(source: Path, member: str, *pairs: tuple[str, str]) -> Path:
    """The archive with words of one member replaced, which must be there."""

    def change(name: str, content: bytes) -> bytes:
        if not name.endswith(member):
            return content
        for old, new in pairs:
            assert old.encode() in content, (name, old)
            content = content.replace(old.encode(), new.encode())
        return content

    return rewritten(source, change)


def in_graph(source: Path, change) -> Path:
    def apply(name: str, content: bytes) -> bytes:
        if not name.endswith("models/net.json") and not name.endswith("models/model.json"):
            return content
        made = json.loads(content)
        change(made)
        return json.dumps(made).encode()

    return rewritten(source, apply)


CODE = "x: __import__('pathlib').Path('CANARY').touch() or 1"


@pytest.mark.parametrize(
    "name",
    [
        "inner.weight", "p_inner_weight", "b_scale", "x", "linear", "add", "mul_1", "inner",
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "code", [CODE, "a b", "a;b", "a\nimport os", "a#b", "__class__", "a.__init__", "ａ", "é"]
)
def test_no_name_of_a_program_is_more_than_a_plain_name(program, tmp_path, monkeypatch, name, code):
    monkeypatch.chdir(tmp_path)

    def named(value):
        if isinstance(value, dict):
            return {named(key): (item if key == "metadata" else named(item)) for key, item in value.items()}
        if isinstance(value, list):
            return [named(item) for item in value]
        return code if value == name else value

    def change(made):
        graph = named(made["graph_module"])
        assert graph != made["graph_module"]
        made["graph_module"] = graph

    with pytest.raises(InputError, match="was not loaded"):
        load(in_graph(program, change))
    assert not (tmp_path / "CANARY").exists()


@pytest.mark.parametrize("where", ["path_name", "config"])
def test_no_name_of_a_weight_is_more_than_a_plain_name(program, where):
    old, new = ('"path_name": "weight_0"', '"path_name": "../weight_0"')
    if where == "config":
        old, new = ('"inner.weight":', f'"{CODE}":')
    with pytest.raises(InputError, match="was not loaded"):
        load(replaced(program, "model_weights_config.json", (old, new)))


def test_the_guards_of_a_program_which_are_code_are_left_out(program, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    guarded = in_graph(
        program,
        lambda made: made.update(guards_code=["__import__('pathlib').Path('CANARY').touch() or True"]),
    )
    assert load(guarded).module()(X)["scores"].shape == (2, 3)
    assert not (tmp_path / "CANARY").exists()


def test_what_is_noted_of_the_nodes_is_no_code(program, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def change(made):
        for node in made["graph_module"]["graph"]["nodes"]:
            node["metadata"] = {
                "source_fn_stack": "a,torch.os.system",
                "custom": "[" * 100_000,
                "stack_trace": CODE,
            }

    assert load(in_graph(program, change)).module()(X)["scores"].shape == (2, 3)


def two_directories(first: Path, second: Path) -> bytes:
    """An archive that opens as `second` where the end is read, with the directory of `first` before it."""
    front, back = first.read_bytes(), bytearray(second.read_bytes())
    end = back.rindex(b"PK\x05\x06")
    start = struct.unpack_from("<I", back, end + 16)[0]
    at, count = start, struct.unpack_from("<H", back, end + 10)[0]
    for _ in range(count):
        name, extra, comment = struct.unpack_from("<HHH", back, at + 28)
        struct.pack_into("<I", back, at + 42, struct.unpack_from("<I", back, at + 42)[0] + len(front))
        at += 46 + name + extra + comment
    struct.pack_into("<I", back, end + 16, start + len(front))
    end64, locator = back.rindex(b"PK\x06\x06"), back.rindex(b"PK\x06\x07")
    struct.pack_into("<Q", back, end64 + 48, start + len(front))
    struct.pack_into("<Q", back, locator + 8, end64 + len(front))
    return front + bytes(back)


def test_of_two_directories_what_is_checked_is_what_is_loaded(program, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    evil = in_graph(
        program, lambda made: made["graph_module"]["graph"]["nodes"][0].update(target="torch.os.getcwd")
    )
    both = tmp_path / "both.pt2"
    both.write_bytes(two_directories(evil, program))
    assert torch.equal(load(both).module()(X)["scores"], load(program).module()(X)["scores"])
    both.write_bytes(two_directories(program, evil))
    with pytest.raises(InputError, match="getcwd"):
        load(both)


def test_of_two_entries_of_one_name_none_is_loaded(program):
    with zipfile.ZipFile(program) as archive:
        name = next(one for one in archive.namelist() if one.endswith(".json"))
        content = archive.read(name)
    for twin in (name, name.upper()):
        changed = rewritten(program, lambda _, content: content)
        with warnings.catch_warnings(), zipfile.ZipFile(changed, "a") as archive:
            warnings.simplefilter("ignore")
            archive.writestr(zipfile.ZipInfo(twin), content)
        with pytest.raises(InputError, match="was not loaded"):
            load(changed)


@pytest.mark.parametrize(
    "entry",
    [
        "net/data/aotinductor/net/net.so", "net/data/aotinductor/net/wrapper.cpp", "net/data/executorch/net.pte",
        "net/xl_model_weights/w", "net/data/weights/custom_obj_0", "net/data/constants/opaque_obj_0",
        "net/mtia/x", "net/models/model.py", "net/../../evil", "net/code/x.py",
    ],
)  # fmt: skip
def test_an_archive_with_an_entry_of_another_kind_is_refused(program, entry):
    changed = rewritten(program, lambda _, content: content)
    with zipfile.ZipFile(changed, "a") as archive:
        archive.writestr(zipfile.ZipInfo(entry), b"\x7fELF")
    with pytest.raises(InputError, match="was not loaded"):
        load(changed)


@pytest.mark.parametrize(
    "target",
    [
        "torch.ops.higher_order.wrap", "torch.ops.higher_order.triton_kernel_wrapper_mutation",
        "torch.ops.higher_order.call_torchbind", "torch.ops.higher_order.print", "_operator.attrgetter",
        "_operator.methodcaller", "_operator.setitem", "_operator.call", "math.factorial",
        "torch.ops.aten.from_file.default",
        "torch.ops.aten._print.default", "torch.ops.aten.add.overloads", "torch.ops.aten.add.__class__",
        "torch.ops.c10d.send.default", "torch.ops.inductor.resize_storage_bytes_.default", "torch.ops.load_library",
        "torch.ops.profiler._record_function_enter.default", "torch.sym_fresh_size", "torch.ops.aten", "",
    ],
)  # fmt: skip
def test_only_operators_that_compute_are_called(program, target):
    def change(made):
        made["graph_module"]["graph"]["nodes"][0]["target"] = target

    with pytest.raises(InputError, match="was not loaded"):
        load(in_graph(program, change))

    def passed(made):
        arg = made["graph_module"]["graph"]["nodes"][0]["inputs"][0]
        arg["arg"] = {"as_operator": target}

    with pytest.raises(InputError, match="was not loaded"):
        load(in_graph(program, passed))


@pytest.mark.parametrize(
    "spec",
    [
        {"type": "collections.defaultdict", "children_spec": [],
         "context": json.dumps(
             {"default_factory_module": "antigravity", "default_factory_name": "fly", "dict_context": []}
         )},
        {"type": "builtins.dict", "children_spec": [],
         "context": json.dumps([{"__enum__": True, "fqn": "antigravity:fly", "name": "x"}])},
    ],
)  # fmt: skip
def test_no_module_is_imported_for_what_holds_the_outputs(program, spec):
    import sys

    def change(made):
        made["graph_module"]["module_call_graph"][0]["signature"]["out_spec"] = json.dumps([1, spec])

    with pytest.raises(InputError, match="was not loaded"):
        load(in_graph(program, change))
    assert "antigravity" not in sys.modules


@pytest.mark.parametrize(
    "size", ["9**9**9**9**9**9", "Pow(Pow(Pow(Pow(Pow(9, 9), 9), 9), 9), 9)", "9" * 500, "1 if 1 else 2"]
)
def test_a_size_that_would_take_for_ever_is_refused(program, size):
    def change(made):
        made["graph_module"]["graph"]["sym_int_values"]["s"] = {"as_expr": {"expr_str": size, "hint": None}}

    with pytest.raises(InputError, match="was not loaded"):
        load(in_graph(program, change))


def test_an_archive_that_unpacks_to_far_more_than_it_is_is_refused(program):
    changed = rewritten(program, lambda _, content: content)
    with zipfile.ZipFile(changed, "a", compression=zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("net/data/weights/weight_99", bytes(1 << 26))
    with pytest.raises(InputError, match="unpack to"):
        load(changed)


def test_who_trusts_a_file_loads_it_and_pickles_are_refused_all_the_same(program, tmp_path):
    extra = rewritten(program, lambda _, content: content)
    with zipfile.ZipFile(extra, "a") as archive:
        archive.writestr(zipfile.ZipInfo("net/notes/readme"), b"mine")
    with pytest.raises(InputError):
        load(extra)
    assert load(extra, trust=True).module()(X)["scores"].shape == (2, 3)


# --- TorchScript ----------------------------------------------------------------------------------------


def script(tmp_path: Path, model: nn.Module) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(model.eval()), tmp_path / "net.ts")
    return tmp_path / "net.ts"


class Linear(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(4, 3)

    def forward(self, x):
        return self.inner(x)


class Writes(Linear):
    """Writes into a file of the user's in its forward pass."""

    def __init__(self, path: str):
        super().__init__()
        self.path = path

    def forward(self, x):
        mapped = torch.from_file(self.path, shared=True, size=4, dtype=torch.uint8).fill_(65)
        return self.inner(x) + mapped.sum()


class Saves(Linear):
    def forward(self, x):
        torch.save(x, "CANARY")
        return self.inner(x)


class Prints(Linear):
    def forward(self, x):
        print("\x1b]0;owned\x07", x)
        return self.inner(x)


class Loaded(nn.Module):
    """Runs while it is read."""

    def __init__(self, path: str):
        super().__init__()
        self.inner = nn.Linear(4, 3)
        self.path = path

    def forward(self, x):
        return self.inner(x)

    @torch.jit.export
    def __getstate__(self):
        return (self.inner.weight, self.training, self.path)

    @torch.jit.export
    def __setstate__(self, state: tuple[torch.Tensor, bool, str]):
        mapped = torch.from_file(state[2], shared=True, size=4, dtype=torch.uint8).fill_(65)
        self.training = int(mapped.sum()) > 0
        self.path = state[2]


class Loops(Loaded):
    @torch.jit.export
    def __setstate__(self, state: tuple[torch.Tensor, bool, str]):
        count = 0
        while count >= 0:
            count = (count + 1) % 7
        self.training = count > 0
        self.path = state[2]


@pytest.mark.parametrize("kind", [Writes, Saves, Prints, Loaded, Loops])
def test_a_script_that_calls_more_than_what_computes_is_refused_unread(tmp_path, monkeypatch, capfd, kind):
    monkeypatch.chdir(tmp_path)
    canary = tmp_path / "precious"
    canary.write_bytes(b"0123")
    path = script(tmp_path, kind(str(canary)) if kind in (Writes, Loaded, Loops) else kind())
    canary.write_bytes(b"0123")  # scripting may have run it
    with pytest.raises(InputError, match="was not loaded") as caught:
        load(path)
    assert "--trust" in caught.value.hint
    assert canary.read_bytes() == b"0123"
    assert not (tmp_path / "CANARY").exists()
    assert "\x1b" not in "".join(capfd.readouterr())


@pytest.mark.parametrize(
    "line",
    [
        'torch.save(x, "CANARY")', '_0 = torch.save\n    _0(x, "CANARY")', '(x).save("CANARY")', 'print("a", )',
        "_0 = print\n    _0(x, )", 'torch.from_file("a", True, 4)', 'ops.aten.from_file("a", True, 4)',
        'ops.prim.Print("a")', "torch.classes.dist_c10d.FileStore(1)", "ops.c10d.barrier(x)", 'torch.chr(27)',
        "y = rpc_async(x)", 'getattr(torch, "save")(x, "CANARY")', 'getattr(x, "save")("CANARY")',
        'getattr(ops.aten, "from_file")("a")', 'a = "save"\n    getattr(x, a)("CANARY")',
         "self.__class__", 'a = "\\033]0;x"', "open(x)", "torch . save(x, x)",
    ],
)  # fmt: skip
def test_no_way_to_write_a_call_gets_past_the_lists(tmp_path, line):
    path = replaced(script(tmp_path, Linear()), "test_hostile_models.py",
                    ("    inner = self.inner\n", f"    {line}\n    inner = self.inner\n"))  # fmt: skip
    with pytest.raises(InputError, match="was not loaded"):
        load(path)


def test_an_object_of_a_registered_class_is_refused(tmp_path):
    made = script(tmp_path, Linear())
    name = b"c__torch__.torch.classes.dist_c10d\nProcessGroup\n"
    changed = rewritten(
        made, lambda name_, content: b"\x80\x02" + name + b"." if name_.endswith("/data.pkl") else content
    )
    with pytest.raises(InputError, match=r"torch\.classes\.dist_c10d"):
        load(changed)


class Answer(NamedTuple):
    scores: torch.Tensor
    count: int


class Everyday(nn.Module):
    """Loops, branches, lists, dicts, texts, an error, a named tuple."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(4, 5, batch_first=True)
        self.encoder = nn.TransformerEncoderLayer(5, 1, 8, batch_first=True)
        self.heads = nn.ModuleDict(OrderedDict(one=nn.Linear(5, 2), two=nn.Linear(5, 3)))

    def forward(self, x: torch.Tensor, turns: int = 2) -> Answer:
        made, _ = self.lstm(x)
        made = self.encoder(made)
        kept: list[torch.Tensor] = []
        named: dict[str, torch.Tensor] = {}
        for turn in range(turns):
            if float(made.sum()) > turn:
                made = made * 2
            kept.append(made)
        for name, head in self.heads.items():
            named[name] = head(made)
        assert len(kept) > 0, "nothing was kept"
        if made.dim() != 3:
            raise ValueError(f"got {made.dim()} axes")
        wide = nn.functional.interpolate(made[:, None], scale_factor=2.0, mode="bilinear")
        return Answer(torch.cat([named["one"], named["two"]], dim=-1) + wide.mean(), len(kept))


def everyday():
    conv = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    yield "scripted", torch.jit.script(Everyday().eval()), torch.randn(2, 3, 4)
    yield "traced", torch.jit.trace(conv.eval(), torch.randn(1, 3, 8, 8)), torch.randn(2, 3, 8, 8)
    yield "frozen", torch.jit.freeze(torch.jit.script(conv.eval())), torch.randn(2, 3, 8, 8)
    yield (
        "grouped",
        torch.jit.script(nn.Sequential(nn.Conv1d(4, 4, 3, groups=2), nn.GELU(), nn.GroupNorm(2, 4))),
        torch.randn(2, 4, 9),
    )
    yield (
        "embedded",
        torch.jit.script(nn.Sequential(nn.Embedding(7, 4), nn.Dropout(), nn.LayerNorm(4)).eval()),
        torch.tensor([[1, 2]]),
    )
    attention = nn.MultiheadAttention(4, 2, batch_first=True).eval()
    yield "attention", torch.jit.trace(attention, (torch.randn(1, 3, 4),) * 3), (torch.randn(1, 3, 4),) * 3
    quantized = torch.ao.quantization.quantize_dynamic(
        nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2)), {nn.Linear}
    )
    yield "quantized", torch.jit.script(quantized), torch.randn(2, 4)


def test_what_people_save_loads_without_trust_and_computes_the_same(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, model, given in everyday():
            given = given if isinstance(given, tuple) else (given,)
            torch.jit.save(model, tmp_path / f"{name}.ts")
            read = load(tmp_path / f"{name}.ts")
            torch.testing.assert_close(read(*given), model(*given), msg=name)


def test_the_command_says_what_was_refused_and_how_to_trust_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    path = script(tmp_path, Saves())
    words = ["generate", "--model", str(path), "--out", "report.json", "--section", "environment", "--quiet"]
    assert main(words) == 2
    said = capsys.readouterr().err
    assert "save'" in said
    assert "--trust" in said
    assert main([*words, "--trust"]) == 0
    assert not (tmp_path / "CANARY").exists()


def test_weights_that_are_a_pickle_are_refused_with_trust_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text("from torch import nn\nnet = nn.Linear(4, 3)\n")
    buffer = io.BytesIO()
    torch.save({"weight": Path("CANARY")}, buffer)
    (tmp_path / "weights.pt").write_bytes(buffer.getvalue())
    words = [
        "generate",
        "--model",
        "mine.py:net",
        "--weights",
        "weights.pt",
        "--out",
        "report.json",
        "--trust",
    ]
    assert main(words) == 2
