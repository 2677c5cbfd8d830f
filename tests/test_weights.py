import hashlib
import io
import os
import pickle
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import save_file, save_model
from torch import nn

from reportgen.errors import InputError
from reportgen.weights import load_weights, sha256


class Net(nn.Module):
    def __init__(self, classes=2):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
        self.head = nn.Linear(2, classes)


class Runs:
    """A pickle that makes a file when it is loaded by whoever loads it carelessly."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def filled(model, value):
    """The model's state with every entry set to `value`."""
    return {key: torch.full_like(tensor, value) for key, tensor in model.state_dict().items()}


def refused(model, path):
    with pytest.raises(InputError) as caught:
        load_weights(model, path)
    assert str(caught.value).startswith("weights: ")
    assert "\n" not in str(caught.value)
    return caught.value


def loaded(model, state, path):
    torch.save(state, path)
    said = load_weights(model, path)
    assert all(bool((tensor == 3).all()) for tensor in model.state_dict().values())
    return said.notes


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".ckpt", ".bin", ".PT"])
def test_every_value_of_a_state_dict_arrives(tmp_path, suffix):
    model = Net()
    assert loaded(model, filled(model, 3), tmp_path / f"best{suffix}") == ()


def test_safetensors_arrive_and_the_digest_is_the_files(tmp_path):
    model, path = Net(), tmp_path / "best.safetensors"
    save_file(filled(model, 3), path)
    said = load_weights(model, path)
    assert all(bool((tensor == 3).all()) for tensor in model.state_dict().values())
    assert (said.name, said.sha256) == ("best.safetensors", hashlib.sha256(path.read_bytes()).hexdigest())
    assert sha256(path) == said.sha256


@pytest.mark.parametrize("key", ["state_dict", "model", "model_state_dict", "module"])
def test_a_state_dict_is_found_under_the_usual_keys_with_a_note(tmp_path, key):
    model = Net()
    checkpoint = {"epoch": 3, key: filled(model, 3), "optimizer": {"state": {}, "lr": [0.1]}}
    assert loaded(model, checkpoint, tmp_path / "c.pt") == (f"read from under the key {key!r}",)


def test_a_state_dict_may_lie_two_deep(tmp_path):
    model = Net()
    notes = loaded(model, {"model": {"state_dict": filled(model, 3)}}, tmp_path / "c.pt")
    assert notes == ("read from under the key 'model'", "read from under the key 'state_dict'")


@pytest.mark.parametrize("prefix", ["module.", "model.", "_orig_mod.", "model.module.", "module._orig_mod."])
def test_a_wrappers_prefix_is_stripped_with_a_note(tmp_path, prefix):
    model = Net()
    state = {prefix + key: value for key, value in filled(model, 3).items()}
    assert loaded(model, state, tmp_path / "c.pt") == (f"prefix {prefix!r} stripped from 9 keys",)


def test_a_compiled_submodules_prefix_is_stripped_from_within(tmp_path):
    model = Net()
    state = {key.replace("body.", "body._orig_mod."): value for key, value in filled(model, 3).items()}
    assert loaded(model, state, tmp_path / "c.pt") == ("prefix '_orig_mod.' stripped from 7 keys",)


def test_a_prefix_that_the_model_has_itself_stays(tmp_path):
    model = nn.Module()
    model.model = Net()
    assert loaded(model, filled(model, 3), tmp_path / "c.pt") == ()


def test_tied_weights_that_are_saved_once_arrive_under_both_names(tmp_path):
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.head = nn.Embedding(5, 4), nn.Linear(4, 5, bias=False)
            self.head.weight = self.embed.weight

    trained, fresh = Tied(), Tied()
    save_model(trained, str(tmp_path / "t.safetensors"))
    said = load_weights(fresh, tmp_path / "t.safetensors")
    assert torch.equal(fresh.head.weight, trained.embed.weight)
    assert fresh.head.weight is fresh.embed.weight
    assert len(said.notes) == 1
    assert "is tied to" in said.notes[0]


def test_a_cast_is_noted(tmp_path):
    model = nn.Linear(2, 2)
    state = {key: value.half() for key, value in filled(model, 3).items()}
    assert loaded(model, state, tmp_path / "c.pt") == ("2 tensors cast from float16 to float32",)


def test_a_model_that_takes_its_sizes_from_the_weights_is_loaded(tmp_path):
    model, path = nn.Sequential(nn.LazyLinear(2)), tmp_path / "c.pt"
    torch.save({"0.weight": torch.full((2, 5), 3.0), "0.bias": torch.zeros(2)}, path)
    load_weights(model, path)
    assert model[0].weight.shape == (2, 5)


def test_what_torch_itself_brings_up_to_date_is_not_missing(tmp_path):
    model = nn.BatchNorm1d(2)
    state = {key: value for key, value in model.state_dict().items() if key != "num_batches_tracked"}
    torch.save(state, tmp_path / "before_torch_0.4.1.pt")
    load_weights(model, tmp_path / "before_torch_0.4.1.pt")
    assert int(model.num_batches_tracked) == 0


@pytest.mark.parametrize("prefix", ["", "module."])
def test_the_versions_of_the_modules_arrive(tmp_path, prefix):
    class Versioned(nn.Linear):
        _version = 7
        seen = None

        def _load_from_state_dict(self, state_dict, prefix, local_metadata, *rest):
            Versioned.seen = local_metadata.get("version")
            super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)

    model, trained = (nn.Sequential(Versioned(2, 2)) for _ in range(2))
    wrapped = nn.ModuleDict({"module": trained}) if prefix else trained
    torch.save(wrapped.state_dict(), tmp_path / "c.pt")
    load_weights(model, tmp_path / "c.pt")
    assert torch.equal(model[0].weight, trained[0].weight)
    assert Versioned.seen == 7


def test_nan_weights_are_loaded_as_they_are(tmp_path):
    model = nn.Linear(2, 2)
    torch.save(filled(model, float("nan")), tmp_path / "nan.pt")
    load_weights(model, tmp_path / "nan.pt")
    assert torch.isnan(model.weight).all()


def test_missing_unexpected_and_misshapen_keys_are_listed(tmp_path):
    state = filled(Net(classes=5), 3)
    del state["body.1.bias"]
    state["extra.weight"] = torch.zeros(1)
    torch.save(state, tmp_path / "c.pt")
    assert str(refused(Net(), tmp_path / "c.pt")) == (
        "weights: 'c.pt' does not fit Net: 1 key missing (body.1.bias); 1 key unexpected (extra.weight); "
        "2 keys of another shape (head.weight (5, 2) for (2, 2), head.bias (5,) for (2,))"
    )


def test_of_many_keys_eight_are_listed_and_the_others_counted(tmp_path):
    torch.save({f"k{i}": torch.zeros(1) for i in range(1500)}, tmp_path / "c.pt")
    error = str(refused(Net(), tmp_path / "c.pt"))
    assert "1,500 keys unexpected (k0, k1, k2, k3, k4, k5, k6, k7 and 1,492 more)" in error
    assert "9 keys missing" in error


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_that_wants_more_than_weights_is_refused_and_never_run(tmp_path, zipped):
    made = tmp_path / "made"
    state = {**filled(Net(), 3), "evil": Runs(made)}
    torch.save(state, tmp_path / "evil.pt", _use_new_zipfile_serialization=zipped)
    error = refused(Net(), tmp_path / "evil.pt")
    assert "holds more than weights (it wants posix.mkdir) and was not loaded" in str(error)
    assert "state_dict" in error.hint
    assert not made.exists()
    torch.load(tmp_path / "evil.pt", weights_only=False)  # the file does what it threatens
    assert made.is_dir()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_bare_pickle_of_any_protocol_is_never_run(tmp_path, protocol):
    made, path = tmp_path / "made", tmp_path / "evil.pt"
    path.write_bytes(pickle.dumps(Runs(made), protocol=protocol))
    refused(Net(), path)
    assert not made.exists()
    pickle.loads(path.read_bytes())
    assert made.is_dir()


def test_no_environment_variable_makes_a_pickle_run(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    torch.save({"evil": Runs(tmp_path / "made")}, tmp_path / "evil.pt")
    refused(Net(), tmp_path / "evil.pt")
    assert not (tmp_path / "made").exists()


def test_a_whole_model_and_a_numpy_scalar_are_refused_by_name(tmp_path):
    torch.save(nn.Linear(2, 2), tmp_path / "model.pt")
    torch.save({"state_dict": filled(Net(), 3), "best": np.float64(0.9)}, tmp_path / "scalar.ckpt")
    assert "it wants torch.nn.modules.linear.Linear" in str(refused(Net(), tmp_path / "model.pt"))
    assert "multiarray.scalar" in str(refused(Net(), tmp_path / "scalar.ckpt"))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("suffix", [".pt", ".pt2", ".safetensors"])
def test_programs_are_said_to_be_no_weights(tmp_path, suffix):
    model = nn.Linear(2, 2)
    torch.jit.save(torch.jit.script(model), str(tmp_path / "script.pt"))
    assert "'script.pt' is a TorchScript program, expected weights" in str(
        refused(model, tmp_path / "script.pt")
    )
    exported = io.BytesIO()
    torch.export.save(torch.export.export(model, (torch.zeros(1, 2),)), exported)
    path = tmp_path / f"exported{suffix}"
    path.write_bytes(exported.getvalue())
    assert "is a program saved by torch.export, expected weights" in str(refused(model, path))


def test_what_is_no_file_of_weights_is_one_line(tmp_path):
    good = io.BytesIO()
    torch.save(filled(Net(), 3), good)
    contents = {
        "text.pt": b"hello",
        "empty.pt": b"",
        "bytes.pt": bytes(range(256)),
        "cut.pt": good.getvalue()[:1500],
        "cut.safetensors": b"\x08\0\0\0\0\0\0\0{}",
        "pickle.safetensors": good.getvalue(),
        "list.pt": saved([1, 2]),
        "tensor.pt": saved(torch.zeros(2)),
        "numbers.pt": saved({"epoch": 3}),
        "nothing.pt": saved({}),
        "notes.zip.pt": zipped(),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        assert f"{name!r}" in str(refused(Net(), tmp_path / name))


def test_a_git_lfs_pointer_is_recognised(tmp_path):
    text = "version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 3\n"
    for name in ("w.pt", "w.safetensors"):
        (tmp_path / name).write_text(text)
        assert "git lfs pull" in refused(Net(), tmp_path / name).hint


def test_a_file_that_is_not_there_and_one_of_another_kind_are_named(tmp_path):
    (tmp_path / "w.h5").write_bytes(b"x")
    assert "is not a file" in str(refused(Net(), tmp_path / "gone.pt"))
    assert "is not a file" in str(refused(Net(), tmp_path))
    assert "got 'w.h5', expected a file that ends in .safetensors, .pt" in str(
        refused(Net(), tmp_path / "w.h5")
    )


def saved(value):
    content = io.BytesIO()
    torch.save(value, content)
    return content.getvalue()


def zipped():
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("notes/readme.txt", "no weights here")
    return content.getvalue()
