import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reportgen.config import Config, check_outputs, flag, from_options, merge, read
from reportgen.errors import InputError
from reportgen.experiment import MODALITIES, TASKS


def toml(folder: Path, text: str) -> Path:
    path = folder / "exp.toml"
    path.write_text(text, encoding="utf-8")
    return path


def mistakes(folder: Path, text: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        read(toml(folder, text))
    return [line.removeprefix(f"{folder / 'exp.toml'}: ") for line in str(caught.value).splitlines()]


def test_every_key_is_read(tmp_path):
    (tmp_path / "lr=1").mkdir()
    said = read(
        toml(
            tmp_path,
            """
            model = "net.py:Net"
            weights = "best.pt"
            data = "pkg.data:val"
            example_inputs = "net.py:x"
            logs = ["runs/a", "table=odd.dat", "s3://bucket/run", "lr=1"]
            log_pattern = 'loss (?P<loss>\\S+)'
            out = "report.pdf"
            title = "Exp 42"
            class_names = ["cat", "dog"]
            feature_names = "a,b"
            task = "classification"
            modality = "image"
            tokenizer = "words.txt"
            sample_rate = 16000
            normalization = [[0.5, 0.5], [0.2, 0.2]]
            categorical = ["sex", 4, ["red", "green"]]
            target = "dog"
            sections = ["training"]
            samples = 4
            explain = [3, 17]
            methods = ["lime", "shap-kernel"]
            checks = ["infidelity"]
            seed = 7
            device = "cpu"
            time_limit = 20
            trust = true
            profile = true
            autograd = "layer3.0"
            show_attrs = true
            show_saved = true
            layers = ["layer3.0", "fc"]
            templates = "mine"
            redact = true
            strict = true
            quiet = true
            debug = true
            [facts]
            Purpose = "sorting"
            Images = 12
            Public = true
            Since = 2024-05-01
            Limits = ["night", "rain"]
            """,
        )
    )
    assert said.model_fields_set == set(Config.model_fields)
    assert said.model == f"{tmp_path / 'net.py'}:Net"
    assert said.data == "pkg.data:val"
    assert said.example_inputs == f"{tmp_path / 'net.py'}:x"
    assert said.weights == str(tmp_path / "best.pt")
    assert said.logs == [
        str(tmp_path / "runs/a"),
        f"table={tmp_path / 'odd.dat'}",
        "s3://bucket/run",
        str(tmp_path / "lr=1"),
    ]
    assert said.out == [str(tmp_path / "report.pdf")]
    assert said.templates == str(tmp_path / "mine")
    assert said.feature_names == "a,b"
    assert said.tokenizer == str(tmp_path / "words.txt")
    assert said.categorical == ["sex", 4, ["red", "green"]]
    assert said.normalization == ((0.5, 0.5), (0.2, 0.2))
    assert said.time_limit == 20
    assert said.facts == {
        "Purpose": "sorting", "Images": "12", "Public": "yes", "Since": "2024-05-01", "Limits": "night, rain",
    }  # fmt: skip


def test_paths_that_are_absolute_stay_as_they_are(tmp_path):
    said = read(toml(tmp_path, 'weights = "/w/best.pt"\nmodel = "/src/net.py:Net"'))
    assert (said.weights, said.model) == ("/w/best.pt", "/src/net.py:Net")


def test_a_tokenizer_is_a_path_or_a_reference_meant_from_the_folder_of_the_toml(tmp_path):
    (tmp_path / "saved").mkdir()
    for text, meant in (("saved", "saved"), ("gone.json", "gone.json"), ("net.py:tok", "net.py:tok")):
        assert read(toml(tmp_path, f'tokenizer = "{text}"')).tokenizer == str(tmp_path / meant)
    assert read(toml(tmp_path, 'tokenizer = "pkg.text:tok"')).tokenizer == "pkg.text:tok"


def test_a_file_of_names_is_meant_from_the_folder_of_the_toml(tmp_path):
    (tmp_path / "names.txt").write_text("a\nb\n")
    assert read(toml(tmp_path, 'class_names = "names.txt"')).class_names == str(tmp_path / "names.txt")


@pytest.mark.parametrize(
    ("line", "key", "got", "expected"),
    [
        ("samples = 'eight'", "samples", "'eight'", "a whole number from 1 to 64"),
        ("samples = 0", "samples", "0", "a whole number from 1 to 64"),
        ("samples = 2.5", "samples", "2.5", "a whole number from 1 to 64"),
        ("explain = [-1]", "explain", "[-1]", "sample numbers, as in 3,17 or [3, 17]"),
        ("target = 1.5", "target", "1.5", "the number of an output, or the name of a class"),
        ("seed = -1", "seed", "-1", "a whole number from 0 to 4294967295"),
        ("seed = true", "seed", "True", "a whole number from 0 to 4294967295"),
        ("time_limit = nan", "time_limit", "nan", "seconds after which a section fails, 0 for no limit"),
        ("task = 'clasification'", "task", "'clasification'", "classification or regression"),
        ("modality = 'picture'", "modality", "'picture'", "image, table, text, signal or spectrogram"),
        ("sample_rate = 0", "sample_rate", "0", "samples a second, as in 16000"),
        ("sample_rate = '16 kHz'", "sample_rate", "'16 kHz'", "samples a second, as in 16000"),
        ("model = 3", "model", "3", "package.module:name or path/file.py:name"),
        ("logs = [1]", "logs", "[1]", "a file or folder of training logs, or a list of them"),
        ("out = []", "out", "[]", "a file to write, or a list of them"),
        ("title = ''", "title", "''", "a text"),
        ("strict = 'yes'", "strict", "'yes'", "true or false"),
        ("facts = 3", "facts", "3", "a table of texts"),
        ("[facts]\nPurpose = {a = 1}", "facts.Purpose", "{'a': 1}", "a table of texts"),
        ("normalization = [0.5]", "normalization", "[0.5]", "means and deviations"),
        ("normalization = ['a', 'b']", "normalization", "['a', 'b']", "means and deviations"),
        ("class_names = [1.5]", "class_names", "[1.5]", "names parted by commas"),
    ],
)
def test_a_wrong_value_is_one_line_with_key_value_and_what_was_expected(tmp_path, line, key, got, expected):
    (said,) = mistakes(tmp_path, line)
    assert said.startswith(f"{key}: got {got}, expected {expected}")


def test_each_mistake_has_its_line(tmp_path):
    said = mistakes(tmp_path, "samples = 0\nseed = -1\nmodell = 'x'")
    assert [line.partition(":")[0] for line in said] == ["samples", "seed", "modell"]


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("modle", "model"),
        ("class-names", "class_names"),
        ("fact", "facts"),
        ("Samples", "samples"),
        ("log", "logs"),
    ],
)
def test_a_misspelt_key_is_answered_with_the_one_that_was_meant(tmp_path, key, meant):
    assert mistakes(tmp_path, f'"{key}" = "x"') == [f"{key}: unknown key, did you mean {meant}?"]


def test_an_unknown_key_is_answered_with_those_there_are(tmp_path):
    (line,) = mistakes(tmp_path, "zzz = 1")
    assert line == f"zzz: unknown key, expected one of {', '.join(Config.model_fields)}"


@pytest.mark.parametrize("content", [b"model = ", b"\xff\xfe\x00", b"model = 'a'\nmodel = 'b'"])
def test_what_is_no_toml_is_one_line(tmp_path, content):
    path = tmp_path / "exp.toml"
    path.write_bytes(content)
    with pytest.raises(InputError, match="not TOML") as caught:
        read(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"config: '.*gone\.toml' is not a file"):
        read(tmp_path / "gone.toml")


def test_a_byte_order_mark_does_no_harm(tmp_path):
    path = tmp_path / "exp.toml"
    path.write_bytes(b'\xef\xbb\xbftitle = "T"')
    assert read(path).title == "T"


def test_the_command_line_is_text_and_means_numbers():
    said = from_options(
        {"samples": "4", "seed": "3", "time_limit": "2.5", "normalization": "0.5, 0.4;0.2,0.1"}
    )
    assert (said.samples, said.seed, said.time_limit) == (4, 3, 2.5)
    assert said.normalization == ((0.5, 0.4), (0.2, 0.1))


def test_the_command_lines_mistakes_name_the_flag():
    with pytest.raises(InputError) as caught:
        from_options({"samples": "many", "time_limit": "inf", "normalization": "0.5;"})
    keys = [line.split(":")[0] for line in str(caught.value).splitlines()]
    assert keys == ["--normalization", "--samples", "--time-limit"]


def test_a_fact_may_hold_an_equals_sign_and_must_hold_one():
    assert from_options({"facts": ["Formula=a=b"]}).facts == {"Formula": "a=b"}
    with pytest.raises(InputError, match="--fact: got 'Formula', expected KEY=VALUE"):
        from_options({"facts": ["Formula"]})


def test_the_command_line_wins_and_what_it_does_not_say_stays(tmp_path):
    file = read(toml(tmp_path, 'title = "A"\nsamples = 4\nstrict = true\n[facts]\nx = "1"\ny = "2"'))
    both = merge(file, from_options({"title": "B", "facts": ["y=3", "z=4"], "strict": False, "logs": []}))
    assert (both.title, both.samples, both.strict, both.logs) == ("B", 4, False, None)
    assert both.facts == {"x": "1", "y": "3", "z": "4"}


def test_flags_of_repeatable_options_are_in_the_singular():
    assert [flag(key) for key in ("facts", "sections", "layers", "checks", "logs", "class_names")] == [
        "--fact", "--section", "--layer", "--check", "--logs", "--class-names",
    ]  # fmt: skip


def test_tasks_and_modalities_are_those_of_the_experiment():
    for key, values in (("task", TASKS), ("modality", MODALITIES)):
        for value in values:
            assert getattr(from_options({key: value}), key) == value


def test_outputs_are_checked_before_any_work(tmp_path):
    (tmp_path / "folder.html").mkdir()
    assert check_outputs([str(tmp_path / "a.PDF")]) == [tmp_path / "a.PDF"]
    for name, why in (
        ("a.docx", "ends in .html, .json, .pdf"),
        ("folder.html", "is a folder"),
        ("x/a.pdf", "exists"),
    ):
        with pytest.raises(InputError, match=why) as caught:
            check_outputs([str(tmp_path / "ok.html"), str(tmp_path / name)])
        assert str(caught.value).startswith("--out: got ")
    assert not (tmp_path / "x").exists()


@given(st.dictionaries(st.text(max_size=20), st.recursive(st.none() | st.booleans() | st.integers() | st.text()
       | st.floats(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5)))  # fmt: skip
def test_any_file_gives_a_config_or_one_input_error(tmp_path_factory, values):
    # JSON's strings, numbers and lists are TOML's too, so most of these get past the parser.
    lines = [f"{json.dumps(key)} = {json.dumps(value)}" for key, value in values.items()]
    path = tmp_path_factory.mktemp("any") / "exp.toml"
    path.write_text("\n".join(lines), encoding="utf-8", errors="surrogatepass")
    with contextlib.suppress(InputError):
        assert isinstance(read(path), Config)
