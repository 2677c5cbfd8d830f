import sys

import pytest
import torch
from torch import nn

from reportgen.attribution import methods
from reportgen.collecting import collect
from reportgen.errors import InputError


def test_methods_of_an_extra_run_only_where_they_are_asked_for():
    names = [method.slug for method in methods.suited("table")]
    assert "lime" in names
    assert not any(name.startswith("shap-") for name in names)
    assert [m.name for m in methods.suited("table", ("shap-kernel", "saliency"))] == [
        "Saliency",
        "SHAP Kernel",
    ]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["limes"], "methods: got 'limes', did you mean lime?"),
        (["shap-kernell"], "did you mean shap-kernel?"),
        (["zzz"], "expected one of lime, "),
        ("lime", "expected a list of names"),
        ([], "expected a list of names"),
    ],
)
def test_a_name_that_is_none_is_refused_with_the_nearest(given, said):
    with pytest.raises(InputError, match=said.replace("?", "\\?")):
        collect(nn.Linear(2, 2), example_inputs=torch.rand(1, 2), methods=given)


@pytest.mark.parametrize(
    "name", ["Input × gradient", "Input x gradient", "input-x-gradient", "input-gradient"]
)
def test_a_times_sign_may_be_written_as_an_x_or_left_out(name):
    assert methods.check([name]) == ("input-gradient",)


def test_a_method_whose_package_is_missing_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(methods, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="shap-kernel needs the package shap") as caught:
        methods.check(["lime", "shap-kernel"])
    assert caught.value.hint == "pip install reportgen[shap]"


def test_methods_that_all_suit_another_kind_are_refused():
    with pytest.raises(InputError, match=r"none of grad-cam suits this input \(table\)"):
        methods.suited("table", ("grad-cam",))


def test_a_report_without_shap_never_imports_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "shap", None)  # importing it would raise
    rows = torch.rand(20, 3, generator=torch.Generator().manual_seed(0))
    report = collect(nn.Linear(3, 2), data=(rows, torch.arange(20) % 2), sections=["explanations"], samples=1)
    section = report.sections[0]
    assert section.status == "ok"
    assert "LIME" in section.summary
