"""Our own code runs under any default device and dtype, and the model's under the caller's where they are its own."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import reportgen
from reportgen.guard import untouched


@pytest.fixture
def defaults():
    """Sets defaults, which are the usual ones again after the test."""

    def set_to(device, dtype):
        torch.set_default_device(device)
        torch.set_default_dtype(dtype)

    yield set_to
    set_to(None, torch.float32)


def parts(report):
    return [section.model_copy(update={"seconds": None}) for section in report.sections]


@pytest.mark.parametrize(
    ("device", "dtype"),
    [("meta", torch.float32), (None, torch.float64), (None, torch.float16), ("meta", torch.bfloat16)],
)
def test_a_report_is_the_same_under_any_defaults(device, dtype, defaults, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))
    data = (torch.rand(12, 1, 8, 8), torch.arange(12) % 3)
    usual = reportgen.collect(model, data=data, samples=1)
    defaults(device, dtype)
    report = reportgen.collect(model, data=data, samples=1)
    assert torch.get_default_device() == torch.device(device or "cpu")
    assert torch.get_default_dtype() == dtype
    assert not report.failed
    assert parts(report) == parts(usual)


class Fills(nn.Linear):
    """Makes a tensor in its forward pass, and says of what dtype and where."""

    def forward(self, x):
        made = torch.ones(3)
        self.made = (made.dtype, made.device.type)
        torch.set_default_dtype(torch.float16)  # and leaves this behind
        torch.set_default_device("meta")
        return super().forward(x) + made


def test_the_models_own_dtype_is_the_default_while_it_runs_and_ours_around_it(defaults):
    model = Fills(4, 3).double()
    defaults(None, torch.float64)
    with untouched(model), torch.no_grad():
        assert torch.get_default_dtype() == torch.float32
        model(torch.rand(2, 4).double())
        assert model.made == (torch.float64, "cpu")
        assert (torch.get_default_dtype(), torch.get_default_device().type) == (torch.float32, "cpu")
    assert torch.get_default_dtype() == torch.float64


def test_a_model_on_the_cpu_runs_where_its_weights_are_whatever_the_default(defaults):
    model = Fills(4, 3)
    defaults("meta", torch.float64)
    with untouched(model), torch.no_grad():
        model(torch.rand(2, 4))
        assert model.made == (torch.float32, "cpu")
    assert torch.get_default_device().type == "meta"


def test_a_block_of_the_callers_own_about_all_holds_again_after_it():
    with torch.device("meta"):
        with untouched(nn.Linear(2, 2, device="cpu")):
            assert torch.zeros(1).device.type == "cpu"
            torch.set_default_device("meta")
        assert torch.zeros(1).device.type == "meta"
    assert torch.zeros(1).device.type == "cpu"


def test_a_forward_pass_that_raises_leaves_no_defaults_behind():
    class Breaks(nn.Linear):
        def forward(self, x):
            torch.set_default_dtype(torch.float64)
            torch.set_grad_enabled(False)
            raise RuntimeError("no")

    model = Breaks(2, 2)
    with untouched(model):
        with pytest.raises(RuntimeError, match="no"):
            model(torch.zeros(1, 2))
        assert torch.get_default_dtype() == torch.float32
        assert torch.is_grad_enabled()
