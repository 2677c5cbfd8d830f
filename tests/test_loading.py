import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from reportgen.config import from_options
from reportgen.errors import InputError
from reportgen.loading import (
    arguments,
    importable,
    load_data,
    load_inputs,
    load_model,
    load_names,
    load_tokenizer,
    parse,
)


@pytest.fixture(autouse=True)
def _modules_as_they_were():
    before, path = dict(sys.modules), list(sys.path)
    yield
    assert sys.path == path
    for name in set(sys.modules) - set(before):
        if "/pytest-" in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.fixture
def folder(tmp_path):
    write(
        tmp_path / "net.py",
        """
        import torch
        from torch import nn
        from torch.utils.data import DataLoader, TensorDataset

        class Net(nn.Linear):
            def __init__(self, inputs=3):
                super().__init__(inputs, 2)

        class Needs(nn.Linear):
            def __init__(self, size):
                super().__init__(size, size)

        class Zoo:
            @staticmethod
            def small():
                return Net()

        class Rows(torch.utils.data.Dataset):
            def __len__(self): return 5
            def __getitem__(self, i): return torch.full((3,), float(i)), i % 2

        class Callable(Rows):
            def __call__(self): raise AssertionError("a data set is not called")

        net, x, rows, both = Net(), torch.zeros(1, 3), Rows(), Callable()
        pair = (torch.zeros(4, 3), torch.zeros(4))
        names, number, text = ["a", "b"], 3, "abc"
        loader = lambda: DataLoader(TensorDataset(torch.zeros(4, 3)))
        def breaks(): raise ValueError("no disk\\nleft")
        def leaves(): raise SystemExit(3)
        def nothing(): return None
        """,
    )
    return tmp_path


def write(path: Path, text: str) -> Path:
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return path


def at(folder: Path, key: str, name: str):
    return parse(key, f"{folder / 'net.py'}:{name}")


@pytest.mark.parametrize(
    ("text", "place", "name", "is_file"),
    [
        ("pkg.models:build", "pkg.models", "build", False),
        ("models:Zoo.small", "models", "Zoo.small", False),
        ("path/file.py:Net", "path/file.py", "Net", True),
        ("exp-1.v2.py:Net", "exp-1.v2.py", "Net", True),
        (r"C:\runs\exp.py:build", r"C:\runs\exp.py", "build", True),
        ("/a:b/exp.py:build", "/a:b/exp.py", "build", True),
    ],
)
def test_a_reference_is_parted_at_the_last_colon(text, place, name, is_file):
    found = parse("model", text)
    assert (found.place, found.name, found.is_file) == (place, name, is_file)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("pkg.models", ""),
        ("pkg.models:", ""),
        (":build", ""),
        ("pkg/models:build", ""),
        ("pkg.models:build()", "parentheses"),
        ("pkg.models:__import__('os').system('x')", ""),
        ("best.pt", "--weights"),
        (r"C:\runs\exp.py", ""),
    ],
)
def test_what_is_no_reference_is_one_line_with_what_was_expected(text, hint):
    with pytest.raises(InputError) as caught:
        parse("model", text)
    assert str(caught.value) == f"model: got {text!r}, expected package.module:name or path/file.py:name"
    assert hint in caught.value.hint


def test_a_model_may_be_an_instance_a_class_or_a_function(folder):
    instance = load_model(at(folder, "model", "net"), [])
    assert instance is sys.modules["net"].net
    assert type(load_model(at(folder, "model", "Net"), [])) is type(instance)
    assert type(load_model(at(folder, "model", "Zoo.small"), [])) is type(instance)


def test_data_may_be_an_object_or_what_makes_one(folder):
    assert type(load_data(at(folder, "data", "rows"), [])).__name__ == "Rows"
    assert type(load_data(at(folder, "data", "Rows"), [])).__name__ == "Rows"
    assert type(load_data(at(folder, "data", "both"), [])).__name__ == "Callable"
    assert isinstance(load_data(at(folder, "data", "pair"), []), tuple)
    assert isinstance(load_data(at(folder, "data", "loader"), []), DataLoader)
    assert isinstance(load_inputs(at(folder, "example_inputs", "x"), []), torch.Tensor)


@pytest.mark.parametrize(
    ("load", "key", "name", "line"),
    [
        (load_model, "model", "number", "gives int, expected a torch.nn.Module, its class, or a function"),
        (load_model, "model", "nothing", "gives NoneType, expected a torch.nn.Module"),
        (load_model, "model", "rows", "gives Rows, expected a torch.nn.Module"),
        (load_model, "model", "breaks", "raised when called without arguments: ValueError: no disk left"),
        (load_model, "model", "Needs", "raised when called without arguments: TypeError: "),
        (load_model, "model", "leaves", "raised when called without arguments: SystemExit: 3"),
        (load_data, "data", "breaks", "raised when called without arguments: ValueError: no disk left"),
        (load_data, "data", "text", "gives str, expected a Dataset, a DataLoader, or a tuple"),
        (load_data, "data", "nothing", "gives NoneType, expected a Dataset"),
        (load_inputs, "example_inputs", "number", "gives int, expected a tensor"),
    ],
)
def test_what_a_reference_gives_wrongly_is_one_line(folder, load, key, name, line):
    with pytest.raises(InputError) as caught:
        load(at(folder, key, name), [])
    assert str(caught.value).startswith(f"{key}: {folder / 'net.py'}:{name} {line}")
    assert "\n" not in str(caught.value)


def test_a_name_that_is_not_there_is_answered_with_those_near_it(folder):
    with pytest.raises(
        InputError, match=r"model: got '.*net\.py:Nett', but '.*net\.py' holds no 'Nett'"
    ) as caught:
        load_model(at(folder, "model", "Nett"), [])
    assert "Net" in caught.value.hint


def test_a_missing_module_and_a_missing_file_are_named(folder):
    with pytest.raises(
        InputError, match=r"model: got 'no_such\.models:build', but there is no module 'no_such'"
    ):
        load_model(parse("model", "no_such.models:build"), [folder])
    with pytest.raises(InputError, match="there is no file"):
        load_model(parse("model", str(folder / "gone.py") + ":build"), [folder])


def test_a_module_that_misses_another_is_not_taken_for_missing_itself(folder):
    write(folder / "needs_more.py", "import surely_not_installed\n")
    with pytest.raises(
        InputError, match=r"raised when imported: ModuleNotFoundError: .*surely_not_installed"
    ):
        load_model(parse("model", "needs_more:build"), [folder])
    assert "needs_more" not in sys.modules


def test_a_file_that_breaks_leaves_no_half_module(folder):
    write(folder / "half.py", "x = 1\n1 / 0\n")
    with pytest.raises(InputError, match="raised when imported: ZeroDivisionError"):
        load_model(parse("model", f"{folder / 'half.py'}:x"), [])
    assert "half" not in sys.modules


def test_a_file_is_run_once_for_model_and_data_and_sees_its_neighbours(folder):
    write(folder / "helper_of_exp.py", "count = []\n")
    write(folder / "exp.py", """
        import helper_of_exp
        from torch import nn
        helper_of_exp.count.append(1)
        build = lambda: nn.Linear(1, 1)
        count = helper_of_exp.count
        """)  # fmt: skip
    load_model(parse("model", f"{folder / 'exp.py'}:build"), [])
    assert load_data(parse("data", f"{folder / 'exp.py'}:count"), []) == [1]


def test_a_users_file_never_stands_in_for_a_library(folder):
    write(folder / "lime.py", "from torch import nn\nnet = nn.Linear(1, 1)\n")
    load_model(parse("model", f"{folder / 'lime.py'}:net"), [])
    import lime

    assert "site-packages" in str(lime.__file__)


def test_two_files_of_one_name_are_two(folder):
    for name, size in (("a", 1), ("b", 2)):
        (folder / name).mkdir()
        write(folder / name / "same.py", f"from torch import nn\nnet = nn.Linear({size}, 1)\n")
    sizes = [load_model(parse("model", f"{folder / name / 'same.py'}:net"), []).in_features for name in "ab"]
    assert sizes == [1, 2]


def test_modules_are_found_in_the_folders_given_and_the_path_is_put_back(folder):
    before = list(sys.path)
    assert isinstance(load_model(parse("model", "net:Net"), [folder]), nn.Module)
    assert sys.path == before
    with importable([folder], last=True):
        assert sys.path == [*before, str(folder)]
    assert sys.path == before


@pytest.mark.parametrize(
    ("given", "names"),
    [("cat, dog", ["cat", "dog"]), (["a", 1], ["a", "1"]), ("one", ["one"]), ("a:b,c", ["a:b", "c"])],
)
def test_names_from_a_list_and_from_a_text_with_commas(given, names):
    assert load_names("class_names", given, []) == names


def test_names_from_a_file_and_from_a_reference(folder):
    path = folder / "names.txt"
    path.write_bytes("\ufeffKatze\r\nHündchen, klein\r\n\r\n".encode())
    assert load_names("class_names", str(path), []) == ["Katze", "Hündchen, klein"]
    assert load_names("class_names", f"{folder / 'net.py'}:names", []) == ["a", "b"]


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"a\n\nb", "line 2 of"), (b"", "is empty"), (b"\xff\xff\n", "can't be read as text")],
)
def test_a_file_of_names_with_a_mistake_is_one_line(folder, content, why):
    (folder / "names.txt").write_bytes(content)
    with pytest.raises(InputError, match=f"^class_names: .*{why}"):
        load_names("class_names", str(folder / "names.txt"), [])


def test_a_file_of_names_that_is_not_there_is_not_taken_for_a_name():
    with pytest.raises(InputError, match=r"class_names: 'nmaes\.txt' is not a file"):
        load_names("class_names", "nmaes.txt", [])


def test_a_tokenizer_is_a_file_or_what_a_reference_names_or_makes(folder, tmp_path):
    (folder / "text.py").write_text(
        "class Letters:\n    def decode(self, ids):\n        return chr(97 + ids[0])\n"
        "ready = Letters()\ndef words():\n    return ['a', 'b']\n"
    )
    place = f"{folder / 'text.py'}"
    assert load_tokenizer(place, []) == place
    assert load_tokenizer(f"{place}:ready", []).decode([1]) == "b"
    assert load_tokenizer(f"{place}:Letters", []).decode([2]) == "c"
    assert load_tokenizer(f"{place}:words", []) == ["a", "b"]
    with pytest.raises(InputError, match=r"tokenizer: 'gone\.json' does not exist"):
        load_tokenizer("gone.json", [])
    given = arguments(from_options({"tokenizer": f"{place}:words", "logs": [str(folder)]}), [])
    assert given["tokenizer"] == ["a", "b"]


def test_a_model_without_weights_is_the_same_for_the_same_seed(folder):
    def weight(seed):
        config = from_options({"model": f"{folder / 'net.py'}:Net", "seed": str(seed)})
        return arguments(config, [])["model"].weight.detach().numpy().copy()

    weight(1)  # the file runs now, and draws numbers of its own as it does
    assert np.array_equal(weight(1), weight(1))
    assert not np.array_equal(weight(1), weight(2))


def test_arguments_are_what_collect_is_called_with(folder):
    torch.save(nn.Linear(3, 2).state_dict(), folder / "w.pt")
    options = {
        "model": f"{folder / 'net.py'}:Net",
        "weights": str(folder / "w.pt"),
        "data": f"{folder / 'net.py'}:pair",
        "class_names": "a,b",
        "facts": ["Purpose=test"],
        "logs": [str(folder)],
    }
    given = arguments(from_options(options), [])
    assert given["weights"].name == "w.pt"
    assert torch.equal(given["model"].weight, torch.load(folder / "w.pt")["weight"])
    assert (given["class_names"], given["facts"]) == (["a", "b"], {"Purpose": "test"})
    assert [tuple(tensor.shape) for tensor in given["data"]] == [(4, 3), (4,)]


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"weights": "w.pt"}, "weights: got 'w.pt' and no model, expected a model to load them into"),
        ({"model": "net.py:Net", "weights": "gone.pt"}, "weights: 'gone.pt' does not exist"),
        ({"logs": ["gone"]}, "logs: 'gone' does not exist"),
        ({"logs": ["."], "templates": "gone"}, "templates: got 'gone', expected a folder"),
    ],
)
def test_missing_files_are_told_before_anything_is_loaded(options, line, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as caught:
        arguments(from_options(options), [])
    assert str(caught.value).startswith(line)
