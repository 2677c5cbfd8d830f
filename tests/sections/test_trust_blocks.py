from types import SimpleNamespace

import numpy as np
import pytest
import state
import torch
from torch import nn

import reportgen
from reportgen.attribution.base import Attribution, Missing
from reportgen.attribution.gradients import COMPLETENESS, DIFFERENCE
from reportgen.attribution.lime import R2, STABILITY
from reportgen.attribution.shap import ADDITIVITY, SHAP_STABILITY, SHAP_SUM
from reportgen.attribution.trust import MISSED
from reportgen.experiment import Options, build
from reportgen.sections._claims import claims, failed
from reportgen.sections._reading import reading
from reportgen.sections._trust import agreement
from reportgen.sections.explanations import explanations


def made(method, trust, values=(1.0, 2.0)):
    return Attribution(method, np.array(values), True, "", trust=trust)


SMALL, LARGE = {COMPLETENESS: 0.002, MISSED: 0.001}, {COMPLETENESS: 0.04, MISSED: 0.03}
ROWS = [
    (made("LIME", {R2: 0.9, STABILITY: None}), made("IG", {DIFFERENCE: 1.0, **SMALL}), made("S", {})),
    (made("LIME", {R2: 0.3, STABILITY: 0.8}), made("IG", {DIFFERENCE: 1.0, **LARGE}), made("S", {})),
    (made("LIME", {R2: 0.7, STABILITY: 0.9}), Missing("IG", "no gradient"), made("S", {})),
]  # fmt: skip


def test_each_claim_has_its_median_its_worst_and_why_it_is_unknown():
    told = SimpleNamespace(rows=ROWS, methods=("LIME", "IG", "S"))
    table = claims(told, "Trust", 3)
    lines = {row.cells[:2]: row.cells[2:] for row in table.rows}
    assert lines["LIME", R2][:3] == (0.7, 0.3, "3 of 3")
    assert lines["LIME", STABILITY][:3] == (pytest.approx(0.85), 0.8, "2 of 3")
    assert lines["LIME", STABILITY][3].endswith(
        "; unknown for 1: no score differs from another by more than rounding, or all values are 0"
    )
    assert lines["IG", COMPLETENESS][:3] == (pytest.approx(0.021), 0.04, "2 of 3")
    assert lines["IG", COMPLETENESS][3].endswith("; nothing for 1: no gradient")
    assert lines["IG", MISSED][:3] == (pytest.approx(0.0155), 0.03, "2 of 3")
    assert len(lines) == 4
    assert "seed 3. S: no measure of their own" in table.caption


def test_what_fails_is_found_with_its_method_its_numbers_and_its_rule():
    found = {finding.message: finding.rule for finding in failed(ROWS, "explanations/x")}
    assert found == {
        "LIME fits poorly on 1 of 3 samples (R2 0.3).": "R2 of the surrogate < 0.5",
        "IG values do not add up to f(x) - f(baseline) on 1 of 2 samples (off by 3 % of the sum of |values|).": (
            "|sum - (f(x) - f(baseline))| / the sum of |values| > 1 %"
        ),
    }


def test_a_sum_that_misses_little_of_what_its_values_move_is_no_finding_however_small_the_difference():
    near = made("IG", {DIFFERENCE: 0.001, COMPLETENESS: 0.3, MISSED: 0.0004})
    assert failed([(near,)], "") == []
    far = made("IG", {DIFFERENCE: 0.001, COMPLETENESS: 0.3, MISSED: 0.04})
    assert len(failed([(far,)], "")) == 1


def test_the_measures_of_shap_methods_are_known_by_their_names():
    kernel = made("KernelShap", {SHAP_SUM: 1e-7, SHAP_STABILITY: 0.5})
    rows = [(made("GradientShap", {ADDITIVITY: 0.2, MISSED: 0.1}), kernel)]
    assert {finding.message: finding.rule for finding in failed(rows, "")} == {
        "GradientShap values do not add up to f(x) - the references' mean score on 1 of 1 sample "
        "(off by 10 % of the sum of |values|).": "|sum - (f(x) - reference)| / the sum of |values| > 5 %",
        "KernelShap values differ between the two halves of its coalitions on 1 of 1 sample (cosine 0.5).": (
            "cosine of the values of the two halves of the coalitions < 0.7"
        ),
    }
    table = claims(SimpleNamespace(rows=rows, methods=("GradientShap", "KernelShap")), "Trust", 0)
    said = {row.cells[1]: row.cells[-1] for row in table.rows}
    assert "f(x) - f(baseline)" in said[SHAP_SUM]
    assert "by construction zero but for rounding" in said[SHAP_SUM]
    assert "seed" not in said[SHAP_STABILITY]


def test_methods_that_rank_nothing_alike_are_found_and_those_that_do_are_not():
    rng = np.random.default_rng(1)
    names = ("A", "B", "C")
    apart = [tuple(made(name, {}, rng.normal(size=400)) for name in names) for _ in range(4)]
    every = [np.ones(400, bool)] * 4
    blocks, found = agreement(apart, names, every)
    assert [block.title for block in blocks] == ["Agreement between methods", "Overlap of what counts most"]
    assert "the 40 places of 400" in blocks[1].caption
    assert "by chance it is 10 %" in blocks[1].caption
    assert np.array(blocks[1].values)[0, 1] == pytest.approx(0.1, abs=0.08)
    assert found[0].message.startswith("No two methods agree on the places that count (rank correlations ")
    # One place that counts, and noise of a hundredth elsewhere, whose order says nothing.
    sparse = [
        tuple(made(name, {}, np.append(1.0, 0.01 * rng.normal(size=399))) for name in names) for _ in range(4)
    ]
    assert agreement(sparse, names, every)[1] == []
    same = [(row[0], Attribution("B", row[0].values, True, ""), row[2]) for row in apart]
    assert agreement(same, names, every)[1] == []


def test_texts_of_different_lengths_have_their_own_tops_without_their_padding():
    rows = [tuple(made(name, {}, np.append(np.arange(8.0), np.zeros(56))) for name in "AB") for _ in range(2)]
    blocks, _ = agreement(rows, ("A", "B"), [np.arange(64) < count for count in (6, 8)])
    assert "Share of the 3 places of 6 to 4 places of 8 with" in blocks[1].caption
    assert "by chance it is 50 %" in blocks[1].caption
    assert all("Padding and special tokens are left out" in block.caption for block in blocks)


def test_only_what_is_there_is_told_how_to_read():
    text = reading(("LIME", "unheard of"), ("agreement",)).text
    assert text.startswith("LIME hides")
    assert text.count("\n\n") == 1


def test_each_explanation_has_its_target_baseline_cost_and_time_only_where_the_clock_counts(cancer_mlp):
    model, data, names = cancer_mlp
    experiment = build(model, data=data, feature_names=names)
    for timed in (True, False):
        options = Options(samples=3, timed=timed, methods=("lime", "saliency", "integrated-gradients"))
        each = explanations(experiment, options).block("each-explanation")
        heads = [column.name for column in each.columns]
        assert ("Time" in heads) is timed
        assert len(each.rows) == 3 * 3
        line = dict(zip(heads, each.rows[2].cells, strict=True))
        assert line["Method"] == "Integrated Gradients"
        assert (
            line["Evaluations"] == 50 + 6 + 2
        )  # steps, the ends of five stretches, the sample and the baseline
        assert line["Baseline"] == "the mean of 569 samples"
        assert line["R2"] == "–"
        assert line["Target"] in ("class 0", "class 1")


MEASURES = [
    "Areas beside random orders",
    "With random parameters",
    "Agreement between methods",
    "Overlap of what counts most",
    "Each explanation",
    "How to read them",
]
HIDDEN = ("the picture's mean colour", "the picture blurred")


def test_a_section_holds_all_measures_and_says_what_it_could_not_measure(digits_cnn):
    model, data = digits_cnn
    section = explanations(build(model, data=data), Options(samples=1, timed=False))
    titles = [block.title for block in section.blocks]
    charts = [
        f"{way}: {hidden}, {sign}"
        for sign in ("signed", "unsigned")
        for hidden in HIDDEN
        for way in ("Deletion", "Insertion")
    ]
    assert titles == ["Explained samples", "Mean maps", "How far to trust them", *charts, *MEASURES]
    areas = section.block("areas-beside-random-orders")
    assert "seed 0. " in areas.caption
    assert len(areas.rows) == 2 * 10  # nine methods and the random order, by two baselines
    drawn = {
        sign: section.block(f"deletion-the-picture-s-mean-colour-{sign}") for sign in ("signed", "unsigned")
    }
    assert [line.name for line in drawn["unsigned"].series] == [
        "Saliency", "SmoothGrad", "Grad-CAM", "random order",
    ]  # fmt: skip
    assert [line.name for line in drawn["signed"].series][-1] == "random order"
    lines = [line for chart in drawn.values() for line in chart.series]
    assert {line.name for line in lines} == {row.cells[0] for row in areas.rows}
    assert len({line.y[0] for line in lines}) == 1  # nothing is hidden yet


def test_few_methods_share_a_chart_and_what_can_not_be_measured_is_a_note(digits_cnn):
    model, data = digits_cnn
    few = Options(samples=1, timed=False, methods=("saliency", "input-gradient"))
    section = explanations(build(model, data=data), few)
    titles = [block.title for block in section.blocks if block.kind == "curves"]
    assert titles == [f"{way}: {hidden}" for hidden in HIDDEN for way in ("Deletion", "Insertion")]
    bare = explanations(
        build(nn.Flatten(), data=(torch.rand(9, 1, 3, 3), torch.zeros(9, 9)), task="regression"), few
    )
    notes = {block.title: block.text for block in bare.blocks if block.kind == "text"}
    assert notes["With random parameters"] == "Not made: the model has no parameters."


BOTH = ("infidelity", "max-sensitivity")


def test_infidelity_and_max_sensitivity_are_there_where_they_are_asked_for_and_nowhere_else(cancer_mlp):
    model, data, names = cancer_mlp
    experiment = build(model, data=data, feature_names=names)
    few = ("saliency", "integrated-gradients", "occlusion")
    tables = {}
    for checks in ((), BOTH[:1], BOTH[1:], BOTH):
        section = explanations(experiment, Options(samples=3, timed=False, methods=few, checks=checks))
        (text,) = (block.text for block in section.blocks if block.title == "How to read them")
        for name in BOTH:
            assert (f"{name.capitalize()}:" in text) is (name in checks)
        tables[checks] = [block for block in section.blocks if block.id == "infidelity-and-max-sensitivity"]
    assert tables[()] == []
    ((one,), (other,), (both,)) = (tables[checks] for checks in (BOTH[:1], BOTH[1:], BOTH))
    heads = ["Method", "Infidelity", "From – to", "Known for", "Max-sensitivity", "From – to", "Known for"]
    assert [column.name for column in both.columns] == heads
    assert [column.name for column in one.columns] == heads[:4]
    assert [column.name for column in other.columns] == [heads[0], *heads[4:]]
    # Neither changes the other.
    assert [row.cells for row in both.rows] == [
        (*left.cells, *right.cells[1:]) for left, right in zip(one.rows, other.rows, strict=True)
    ]
    lines = {row.cells[0]: row.cells[1:] for row in both.rows}
    assert lines["Saliency"][:3] == ("–", "–", "0 of 3")
    assert 0 <= lines["Integrated Gradients"][0] < 0.5
    assert lines["Occlusion"][2::3] == ("3 of 3", "2 of 2")
    assert all(line[3] > 0 for line in lines.values())
    for said in (
        "seed 0. Infidelity, on 3 samples: 64 times",
        "by the mean of 569 samples",
        "195 evaluations",
        "Unknown for Saliency: it has no sign",
        "Max-sensitivity, on 2 of 3 samples",
        "of 10 draws",
        "within ±2 % of each feature's range in the data",
    ):
        assert said in both.caption


def test_a_check_that_can_not_be_made_is_a_note_and_the_other_a_table():
    whole = (torch.arange(9 * 4).reshape(9, 4) % 7, torch.arange(9) % 2)

    class Whole(nn.Linear):
        def forward(self, x):
            return super().forward(x.float())

    section = explanations(
        build(Whole(4, 2), data=whole, modality="table", categorical=[]),
        Options(samples=1, timed=False, methods=("occlusion",), checks=BOTH),
    )
    table = section.block("infidelity-and-max-sensitivity")
    assert [column.name for column in table.columns[1:]] == ["Infidelity", "From – to", "Known for"]
    note = section.block("max-sensitivity")
    assert note.text == "Not made: the values are int64, of which none can move a little."


def test_checks_leave_the_model_as_it_was_and_give_the_same_bytes_again(digits_cnn, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    model, data = digits_cnn
    before = state.of_model(model), state.of_process()["torch"], state.of_process()["numpy"]
    given = {"sections": ["explanations"], "samples": 2, "checks": BOTH[::-1]}
    one, two = (
        reportgen.collect(
            model, data=data, **given, methods=["lime", "smoothgrad", "integrated-gradients", "grad-cam"]
        )
        for _ in range(2)
    )
    assert one.to_json() == two.to_json()
    assert (state.of_model(model), state.of_process()["torch"], state.of_process()["numpy"]) == before
    table = one.section("explanations").block("infidelity-and-max-sensitivity")
    assert len(table.rows) == 4
    assert all(isinstance(row.cells[4], float) for row in table.rows)
