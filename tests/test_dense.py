"""The values of tensors of any class and layout are read, or it is said that they can't be."""

from __future__ import annotations

import pytest
import torch
from test_guard_tensors import Int8, Opaque
from torch import nn

import reportgen
from reportgen.dense import dense, parts, sizes


class Scaled(Int8):
    def dequantize(self):
        return self.values_ * self.scale

    def __tensor_flatten__(self):
        return ["values_", "scale"], None


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor:UserWarning")
def test_the_values_are_the_same_in_every_layout():
    values = torch.eye(3) * 2
    quantized = torch.quantize_per_tensor(values, 1.0, 0, torch.quint8)
    scaled = Scaled(torch.eye(3, dtype=torch.int8), torch.full((3,), 2.0))
    for kind in (values, nn.Parameter(values), values.to_sparse(), values.to_sparse_csr(), quantized, scaled):
        found = dense(kind)
        assert type(found) is torch.Tensor
        assert found.tolist() == values.tolist()
        assert not found.requires_grad


def test_a_subclass_without_values_of_its_own_is_refused_and_one_with_parts_is_these():
    with pytest.raises((TypeError, NotImplementedError)):
        dense(Opaque())
    first, second = parts(Scaled(torch.ones(2, dtype=torch.int8), torch.ones(2)))
    assert (first.dtype, second.dtype) == (torch.int8, torch.float32)


@pytest.mark.filterwarnings("ignore:.*prototype stage:UserWarning")
@pytest.mark.parametrize("layout", [torch.strided, torch.jagged])
def test_a_model_with_a_nested_tensor_is_reported_on(layout):
    rows = [torch.ones(2, 3), torch.ones(4, 3)]
    model = nn.Linear(4, 3)
    model.register_buffer("rows", torch.nested.nested_tensor(rows, layout=layout))
    assert sizes(model.rows) == (2,)
    report = reportgen.collect(model, data=(torch.rand(12, 4), torch.arange(12) % 3), samples=1, time_limit=0)
    assert [(section.name, section.reason) for section in report.failed] == []
    assert report.section("overview").block("aftermath") is None
    assert [one.tolist() for one in model.rows.unbind()] == [one.tolist() for one in rows]


def test_a_tensor_that_shows_nothing_costs_no_section_and_is_said():
    model = nn.Linear(4, 3)
    model.register_buffer("hidden", Opaque())
    report = reportgen.collect(model, data=(torch.rand(12, 4), torch.arange(12) % 3), samples=1, time_limit=0)
    assert [(section.name, section.reason) for section in report.failed] == []
    said = report.section("overview").block("aftermath").text
    assert said.startswith("Could not be watched, so it may have changed: Opaque can't be")
    assert "(hidden)" in said
    assert not [finding for finding in report.findings if "put back" in finding.message]


VIEWS = []


class Grows(nn.Linear):
    def __init__(self):
        super().__init__(4, 3)
        self.log = bytearray()

    def forward(self, x):
        if not VIEWS:
            self.log.append(1)
            VIEWS.append(memoryview(self.log))  # while there is one, the size can't change back
        return super().forward(x)


def test_what_could_not_be_put_back_is_a_serious_finding_and_the_report_is_whole():
    report = reportgen.collect(
        Grows(), data=(torch.rand(12, 4), torch.arange(12) % 3), samples=1, time_limit=0
    )
    VIEWS.pop().release()
    assert not report.failed
    (finding,) = [finding for finding in report.findings if "could not be put back" in finding.message]
    assert finding.severity == "serious"
    assert finding.evidence == "overview/aftermath"
    assert "BufferError" in finding.message
    assert "(log)" in finding.message
    assert reportgen.Report.from_json(report.to_json()) == report
    assert "could not be put back" in report.encode("x.html").decode()
