from dataclasses import replace

import numpy as np
import pytest
import torch
from captum.metrics import infidelity as captum_infidelity
from looks import cheap, linear, rows_of, sight_of, tools_of
from tables import mixed
from torch import nn

from reportgen.attribution import infidelity as module
from reportgen.attribution.base import Attribution, Missing, NotApplicable
from reportgen.attribution.checks import check
from reportgen.attribution.choose import choose
from reportgen.attribution.explain import BUDGET
from reportgen.attribution.gradients import input_gradient, integrated_gradients
from reportgen.attribution.infidelity import (
    MASKS,
    SHARE,
    UNSIGNED,
    Falls,
    infidelity,
    part_sums,
    share_untold,
)
from reportgen.attribution.kinds import sights
from reportgen.attribution.kinds.image import mean_colour
from reportgen.attribution.lime import lime
from reportgen.attribution.methods import suited
from reportgen.attribution.occlusion import occlusion_parts, occlusion_windows
from reportgen.attribution.shap import kernel_shap
from reportgen.collecting import collect
from reportgen.deadline import Deadline, Late
from reportgen.errors import InputError
from reportgen.experiment import Options, build

UNTIMED = Options(timed=False)
# Segments of 1 to 28 of the 8 x 8 pixels.
UNEQUAL = np.repeat(np.repeat([[0, 1, 2], [3, 4, 5]], (1, 7), axis=0), (4, 3, 1), axis=1)


def untold(made, sight):
    """The infidelity of one map."""
    experiment = cheap(sight.score.experiment.model)
    return infidelity(experiment, UNTIMED, tools_of(experiment=experiment), [sight], [(made,)])


# --- by name ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["infidelty"], "checks: got 'infidelty', did you mean infidelity?"),
        (["zzz"], "checks: got 'zzz', expected one of infidelity, max-sensitivity"),
        ("infidelity", "checks: got 'infidelity', expected a list of names"),
        ([], r"checks: got \[\], expected a list of names"),
        (3, "checks: got 3, expected a list of names"),
    ],
)
def test_a_name_of_no_check_is_refused_with_the_nearest(given, said):
    with pytest.raises(InputError, match=said.replace("?", "\\?")):
        collect(nn.Linear(2, 2), example_inputs=torch.rand(1, 2), checks=given)


def test_checks_are_asked_for_once_each_however_they_are_written():
    assert check(["Max sensitivity", "max-sensitivity", "infidelity"]) == ("max-sensitivity", "infidelity")


# --- infidelity ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [integrated_gradients, lime, kernel_shap, occlusion_parts])
def test_infidelity_is_captums_on_the_same_masks(digits_cnn, make):
    model, data = digits_cnn
    for number, column in ((3, 5), (8, 1)):
        picture = data[number][0][None]
        sight = sight_of(model, picture, column, baseline=mean_colour(picture), parts=UNEQUAL, number=number)
        tools = tools_of(experiment=sight.score.experiment)
        made = make(sight, tools)
        hidden, fell = Falls(sight, tools, {}).of(np.zeros(6, bool))
        places = hidden[:, UNEQUAL]
        # A segment's weight stands at each of its pixels: as many shares of it as there are pixels.
        by_pixel = make is integrated_gradients
        sizes = np.ones((8, 8)) if by_pixel else np.bincount(UNEQUAL.ravel())[UNEQUAL]

        def perturb(inputs, sight=sight, places=places):
            assert len(inputs) == MASKS
            return torch.from_numpy(places[:, None]).float(), sight.shown(~places)

        given = torch.from_numpy(made.values / sizes).float()[None, None]
        with torch.no_grad():
            theirs = captum_infidelity(
                model, perturb, picture, given, target=column, n_perturb_samples=MASKS, normalize=True
            )
        # Captum's scale may be below zero, ours may not: which way a map points hangs on the network that was trained,
        # so the one that points the right way is held against captum's, and the other tells nothing.
        right = 1 if (hidden @ part_sums(made, sight)) @ fell > 0 else -1
        ours, turned = (
            untold(replace(made, values=sign * made.values), sight).values[0, 0] for sign in (right, -right)
        )
        assert ours == pytest.approx(float(theirs) / np.mean(fell**2), abs=1e-4)
        assert 0 < ours < 1
        assert turned == 1


def test_a_model_that_is_a_sum_is_told_whole_by_its_own_terms_and_by_each_segment():
    rng = np.random.default_rng(0)
    table = sight_of(
        linear(rng.normal(size=20)), torch.randn(1, 20, generator=torch.Generator().manual_seed(0))
    )
    assert untold(input_gradient(table, tools_of()), table).values[0, 0] < 1e-9
    picture = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    model = nn.Sequential(nn.Flatten(), linear(rng.normal(size=64)))
    sight = sight_of(model, picture, parts=UNEQUAL)
    for make in (occlusion_parts, kernel_shap, input_gradient):
        assert untold(make(sight, tools_of()), sight).values[0, 0] < 1e-9
    # Were a segment's weight counted at each of its pixels, large segments would count for more.
    each = Attribution("Each", occlusion_parts(sight, tools_of()).values, True, "")
    assert untold(each, sight).values[0, 0] > 0.02


def test_windows_that_are_cut_by_segments_are_told_by_the_share_in_each():
    picture = torch.ones(1, 1, 10, 10)
    halves = np.repeat([[0, 1]], 10, axis=0).repeat(5, axis=1)
    sight = sight_of(nn.Sequential(nn.Flatten(), linear(np.ones(100))), picture, parts=halves)
    made = occlusion_windows(sight, tools_of())  # 5 x 5 windows of four pixels
    assert made.values == pytest.approx(np.full((10, 10), 4.0))
    assert part_sums(made, sight) == pytest.approx([50.0, 50.0])


def test_a_shuffled_map_tells_next_to_nothing_and_one_upside_down_nothing():
    rng = np.random.default_rng(0)
    weights = rng.normal(size=300)
    sight = sight_of(linear(weights - weights.mean()), torch.ones(1, 300))
    exact = input_gradient(sight, tools_of()).values
    shuffled = [untold(Attribution("S", rng.permutation(exact), True, ""), sight).values for _ in range(5)]
    assert 0.97 < np.mean(shuffled) <= 1
    assert untold(Attribution("Down", -exact, True, ""), sight).values[0, 0] == 1
    assert untold(Attribution("Nothing", 0 * exact, True, ""), sight).values[0, 0] == 1


def test_the_scale_of_a_map_does_not_count():
    told, fell = np.array([1.0, 2.0, 4.0]), np.array([1.0, 3.0, 2.0])
    by_hand = 1 - (told @ fell) ** 2 / (told @ told) / (fell @ fell)
    assert share_untold(told, fell) == pytest.approx(by_hand)
    assert share_untold(1e-6 * told, fell) == pytest.approx(by_hand)


def test_what_has_no_sign_or_no_map_has_no_infidelity_and_the_others_share_the_masks(digits_cnn):
    model, data = digits_cnn
    experiment = build(model, data=data)
    seen = sights(experiment, choose(experiment, 3)[0])
    methods = [one for one in suited("image") if one.name in ("KernelShap", "Saliency", "Occlusion")]
    tools = tools_of(experiment=experiment)
    rows = [(*row, Missing("Gone", "it went")) for row in rows_of(experiment, UNTIMED, seen, methods)]
    made = infidelity(experiment, UNTIMED, tools, seen, rows)
    assert made.methods == ("KernelShap", "Saliency", "Occlusion", "Gone")
    assert np.isfinite(made.values).tolist() == [[True, False, True, False]] * 3
    assert made.why == {"Saliency": UNSIGNED, "Gone": "it went"}
    assert made.evaluations == 3 * (MASKS + 1)
    # Whatever else is asked for, and in whatever order, a sample's masks are its own.
    alone = infidelity(experiment, UNTIMED, tools, seen[1:2], [rows[1][:1]])
    assert alone.values[0, 0] == made.values[1, 0]


def test_categories_are_held_for_what_can_not_tell_of_them():
    model, data = mixed()
    experiment = build(model, data=data)
    sight = sights(experiment, choose(experiment, 1)[0])[0]
    tools = tools_of(experiment=experiment)
    rows = rows_of(experiment, UNTIMED, [sight], suited("table", ("integrated-gradients", "occlusion")))
    falls = Falls(sight, tools, {})
    all_hidden, all_fell = falls.of(np.zeros(6, bool))
    hidden, fell = falls.of(np.array([False] * 4 + [True] * 2))
    assert all_hidden[:, 4:].any()
    assert not hidden[:, 4:].any()
    assert (hidden[:, :4] == all_hidden[:, :4]).all()
    made = infidelity(experiment, UNTIMED, tools, [sight], rows)
    by_name = dict(zip(made.methods, made.values[0], strict=True))
    gradient, occlusion = (next(one for one in rows[0] if one.method == name) for name in by_name)
    assert by_name[gradient.method] == share_untold(hidden @ gradient.values, fell)
    assert by_name[occlusion.method] == share_untold(all_hidden @ occlusion.values, all_fell)
    assert made.evaluations == 2 * (MASKS + 1)
    # The falls are the model's own, of rows in which the numbers alone are the mean's.
    numbers, codes = (tensor[sight.subject.number : sight.subject.number + 1] for tensor in data.tensors[:2])
    mean = data.tensors[0].double().mean(dim=0).float()
    with torch.no_grad():
        one = float(model(numbers, codes))
        other = float(model(torch.where(torch.from_numpy(hidden[0, :4]), mean, numbers), codes))
    assert fell[0] == pytest.approx(one - other, abs=1e-5)


def test_padding_is_never_hidden_and_counts_for_nothing():
    numbers = np.array([0, 0, 1, -1, 2])
    sight = sight_of(linear(np.ones(5)), torch.ones(1, 5), parts=numbers)
    made = Attribution("All", np.array([1.0, 2, 3, 100, 4]), True, "")
    assert part_sums(made, sight).tolist() == [3, 3, 4]
    shared = Attribution("Shared", np.array([3.0, 3, 3, 0, 4]), True, "", shared=numbers)
    assert part_sums(shared, sight).tolist() == [3, 3, 4]


@pytest.mark.parametrize(
    ("model", "values", "said"),
    [
        (linear(np.zeros(3)), torch.ones(1, 3), "the score stays the same whatever is hidden"),
        (linear(np.ones(1)), torch.ones(1, 1), "fewer than two parts can be hidden"),
        (
            nn.Sequential(linear(-np.ones(3)), nn.Threshold(-2.5, float("nan"))),
            torch.ones(1, 3),
            "not finite",
        ),
    ],
)
def test_where_nothing_can_be_told_apart_one_line_says_so(model, values, said):
    sight = sight_of(model, values)
    with pytest.raises(NotApplicable, match=said):
        untold(Attribution("A", np.ones(values.shape[1]), True, ""), sight)


def test_infidelity_has_as_many_samples_as_the_budget_and_the_clock_allow(monkeypatch):
    model = linear(np.ones(3))
    experiment = cheap(model)
    seen = [sight_of(model, torch.ones(1, 3), number=at, experiment=experiment) for at in range(12)]
    rows = [(input_gradient(sight, tools_of(model)),) for sight in seen]
    given = UNTIMED, tools_of(experiment=experiment), seen, rows
    assert infidelity(experiment, *given).numbers == (0, 1, 3, 4, 6, 7, 9, 10)
    experiment.__dict__["operations"] = int(SHARE * BUDGET["cpu"] / (MASKS + 1) / 2.5)
    assert infidelity(experiment, *given).numbers == (0, 6)
    experiment.__dict__["operations"] = int(SHARE * BUDGET["cpu"])
    with pytest.raises(NotApplicable, match="cost leaves no room"):
        infidelity(experiment, *given)
    experiment.__dict__["operations"] = 1
    with pytest.raises(Late):
        infidelity(experiment, *given, Deadline(0.0))
    monkeypatch.setattr(module, "TIME", 0.0)
    cut = infidelity(experiment, *given, Deadline(60.0))
    assert (cut.numbers, cut.wanted) == ((0,), 8)
