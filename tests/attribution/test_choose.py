import pytest
import torch
from torch import nn

from reportgen import predictions
from reportgen.attribution.choose import choose
from reportgen.attribution.target import explained
from reportgen.errors import InputError
from reportgen.experiment import Options, build


class Given(nn.Module):
    """Hands its input on as the scores."""

    def forward(self, x):
        return x.clone()


class Maps(nn.Module):
    """A map for each of two classes."""

    def forward(self, x):
        return torch.cat([x, 1 - x], dim=1)


def experiment_of(scores, targets=None, **fields):
    data = (torch.tensor(scores), torch.tensor(targets)) if targets is not None else (torch.tensor(scores),)
    return build(Given(), data=data, modality="table", **fields)


SCORES = [[5.0, 0.0], [3.0, 0.0], [0.0, 1.0], [0.0, 4.0], [2.0, 0.0], [0.0, 9.0]]
TARGETS = [0, 1, 0, 1, 0, 0]  # wrong: 1 (3.0), 2 (1.0), 5 (9.0)


def test_a_quarter_are_confident_mistakes_a_quarter_unsure_and_the_others_correct_over_the_classes():
    subjects, rule = choose(experiment_of(SCORES, TARGETS), 4)
    assert [(subject.number, subject.why) for subject in subjects] == [
        (5, "confident and wrong"),
        (2, "least sure"),
        (0, "confident and right"),
        (3, "confident and right"),
    ]
    assert rule == (
        "4 of 6 samples: 1 of 3 mistakes, the most confident first; 1 with the smallest margin between the two "
        "likeliest classes; 2 correct, evenly over the classes, the surest of each (confident: a probability of 0.80 "
        "or more, unsure: a margin below 0.20)"
    )
    assert subjects[0].said == "true class 0, predicted class 1 (1.00)"
    assert [subject.target.column for subject in subjects] == [1, 1, 0, 1]


def test_where_all_probabilities_are_one_the_raw_scores_tell_which_is_least_sure():
    scores = [[40.0, 0.0], [90.0, 0.0], [30.0, 0.0], [0.0, 60.0], [0.0, 50.0], [0.0, 70.0]]
    subjects, _ = choose(experiment_of(scores, [0, 0, 0, 0, 0, 1]), 4)
    assert [(subject.number, subject.why) for subject in subjects] == [
        (3, "confident and wrong"),
        (2, "least sure"),
        (1, "confident and right"),
        (5, "confident and right"),
    ]


def test_a_sample_is_called_confident_or_unsure_only_where_its_probabilities_are_so():
    scores = [[0.6, 0.4], [0.55, 0.45], [0.796, 0.204], [0.79, 0.21]]
    subjects, rule = choose(experiment_of(scores, [1, 0, 0, 0], task="classification"), 4)
    assert [(subject.number, subject.why) for subject in subjects] == [
        (0, "wrong"),
        (1, "unsure"),
        (2, "confident and right"),
        (3, "right"),
    ]
    assert [subject.said[-6:] for subject in subjects] == ["(0.60)", "(0.55)", "(0.80)", "(0.79)"]
    assert rule.endswith("(confident: a probability of 0.80 or more, unsure: a margin below 0.20)")


def test_the_samples_that_the_user_asks_for_are_taken_in_that_order():
    subjects, rule = choose(experiment_of(SCORES, TARGETS), 8, (4, 1))
    assert [subject.number for subject in subjects] == [4, 1]
    assert rule == "2 of 6 samples: chosen by number"
    with pytest.raises(InputError, match=r"^explain: there is no sample 6 among the 6 of the data"):
        choose(experiment_of(SCORES, TARGETS), 8, (6,))
    with pytest.raises(InputError, match=r"^explain: there is no sample 9 among the 6 of the data"):
        choose(experiment_of(SCORES), 8, (0, 9))


def test_of_many_samples_those_looked_at_are_chosen_from_and_any_may_be_asked_for(monkeypatch):
    monkeypatch.setattr(predictions, "affordable", lambda experiment: 3)
    experiment = experiment_of(SCORES, TARGETS)
    subjects, rule = choose(experiment, 4)
    assert sorted(subject.number for subject in subjects) == [0, 2, 4]
    assert rule.startswith("3 of 3 samples (evenly from 6): 1 of 1 mistake")
    assert {subject.number: subject.values.tolist() for subject in subjects} == {
        number: [SCORES[number]] for number in (0, 2, 4)
    }
    asked, rule = choose(experiment, 4, (5, 2))
    assert [subject.number for subject in asked] == [5, 2]
    assert asked[0].said == "true class 0, predicted class 1 (1.00)"
    assert rule == "2 of 6 samples: chosen by number"


@pytest.mark.parametrize(("target", "column", "name"), [(1, 1, "dog"), ("dog", 1, "dog"), ("0", 0, "cat")])
def test_the_class_that_the_user_names_is_explained_for_every_sample(target, column, name):
    experiment = experiment_of(SCORES, TARGETS, class_names=["cat", "dog"], target=target)
    subjects, _ = choose(experiment, 4)
    assert {subject.target.column for subject in subjects} == {column}
    assert explained(experiment) == f"the model's raw score (logit) of the class {name}"


def test_a_class_without_a_name_is_called_by_its_number():
    assert explained(experiment_of(SCORES, TARGETS, target=1)) == "the model's raw score (logit) of class 1"


@pytest.mark.parametrize("target", ["bird", 2, "-1"])
def test_a_target_that_the_output_does_not_have_is_one_clear_line(target):
    experiment = experiment_of(SCORES, TARGETS, class_names=["cat", "dog"], target=target)
    with pytest.raises(InputError, match="expected an output's number from 0 to 1, or one of cat, dog"):
        choose(experiment, 4)


def test_outputs_that_are_no_classes_are_explained_by_the_largest_or_the_named_one():
    scores = [[1.0, 5.0, 2.0], [7.0, 0.0, 1.0]]
    many = torch.tensor([[1, 0, 1], [0, 0, 0]])  # several labels a sample
    largest, _ = choose(experiment_of(scores, many.tolist()), 2)
    assert [subject.target.column for subject in largest] == [1, 0]
    assert [subject.said for subject in largest] == [
        "true output 0 + output 2, output 1 = 5",
        "true none, output 0 = 7",
    ]
    named, _ = choose(experiment_of(scores, many.tolist(), target=2), 2)
    assert [subject.target.column for subject in named] == [2, 2]


def test_of_several_labels_the_true_ones_are_said_and_the_probability_where_the_outputs_are_some():
    scores, many = [[0.2, 0.925, 0.5], [0.75, 0.0, 1.0]], [[1, 0, 1], [0, 1, 0]]
    names = ["cat", "dog", "bird"]
    largest, _ = choose(experiment_of(scores, many, class_names=names), 2)
    assert [subject.said for subject in largest] == ["true cat + bird, dog (0.93)", "true dog, bird (1.00)"]
    named, _ = choose(experiment_of(scores, many, class_names=names, target="cat"), 2)
    assert [subject.said for subject in named] == ["true cat + bird, cat (0.20)", "true dog, cat (0.75)"]
    wide, _ = choose(experiment_of([[0.5] * 7], [[1] * 7]), 1)
    assert wide[0].said == "true output 0 + output 1 + output 2 + output 3 + 3 more, output 0 (0.50)"


def test_of_a_class_that_was_named_the_probability_is_said_too():
    scores = [[0.9, 0.1], [0.3, 0.7]]
    given = {"class_names": ["cat", "dog"], "target": "dog", "task": "classification"}
    subjects, _ = choose(experiment_of(scores, [0, 1], **given), 2)
    assert {subject.number: subject.said for subject in subjects} == {
        0: "true cat, predicted cat (0.90), explained dog (0.10)",
        1: "true dog, predicted dog (0.70)",
    }


def test_of_a_map_of_classes_the_mean_over_the_places_of_one_class_is_explained():
    picture = torch.tensor([[[[0.9, 0.8], [0.7, 0.1]]]])
    experiment = build(Maps(), example_inputs=picture, modality="image")
    (subject,), _ = choose(experiment, 1)
    assert subject.said == "class 0 on 75 % of the places"
    assert float(subject.target.of(Maps()(picture))) == pytest.approx(0.8)
    other = build(Maps(), example_inputs=picture, modality="image", target=1)
    assert float(choose(other, 1)[0][0].target.of(Maps()(picture))) == pytest.approx(0.9)
    assert explained(other).startswith("the mean score of class 1 over the places that the model gives to it")


def test_a_class_that_the_model_gives_no_place_is_said_to_have_none():
    picture = torch.tensor([[[[0.9, 0.8], [0.7, 0.6]]]])
    names = ["sky", "road"]
    experiment = build(Maps(), example_inputs=picture, modality="image", target=1, class_names=names)
    (subject,), _ = choose(experiment, 1)
    assert subject.said == "road, to which the model gives no place: its mean over all places"
    assert float(subject.target.of(Maps()(picture))) == pytest.approx(0.25)
    assert explained(experiment) == (
        "the mean score of road over the places that the model gives to it (all, where there are none)"
    )


@pytest.mark.parametrize(("values", "cut"), [([0.9, 0.6, 0.4, 0.2], 0.5), ([3.0, 0.4, -0.2, -2.0], 0)])
def test_one_map_is_cut_at_a_half_where_it_holds_probabilities_and_at_zero_else(values, cut):
    picture = torch.tensor(values).reshape(1, 1, 2, 2)
    (subject,), _ = choose(experiment := build(Given(), example_inputs=picture, modality="image"), 1)
    assert subject.said == "the foreground on 50 % of the places"
    assert float(subject.target.of(picture)) == pytest.approx((values[0] + values[1]) / 2)
    assert f"where it is above {cut} (" in explained(experiment)


def test_mistakes_fill_up_where_too_few_are_correct_and_the_other_way_round():
    mistaken, _ = choose(experiment_of(SCORES, [1, 1, 0, 0, 1, 0]), 6)
    assert sorted(subject.number for subject in mistaken) == list(range(6))
    correct, rule = choose(experiment_of(SCORES, [0, 0, 1, 1, 0, 1]), 4)
    assert len(correct) == 4
    assert "mistake" not in rule


def test_no_more_than_there_are():
    assert len(choose(experiment_of(SCORES, TARGETS), 20)[0]) == 6


def test_a_sample_whose_output_is_not_finite_is_left_out_and_said():
    scores = [[float("nan"), 0.0], *SCORES[1:]]
    subjects, rule = choose(experiment_of(scores, TARGETS), 6)
    assert 0 not in [subject.number for subject in subjects]
    assert "1 with outputs that are not finite left out" in rule


def test_nothing_but_nan_is_one_clear_line():
    with pytest.raises(InputError, match="not finite on all 2 samples"):
        choose(experiment_of([[float("nan"), 1.0]] * 2, [0, 1]), 2)


def test_values_are_chosen_by_their_errors():
    scores = [[1.0], [2.0], [3.0], [4.0]]
    subjects, rule = choose(experiment_of(scores, [[1.0], [9.5], [3.5], [4.5]], task="regression"), 2)
    assert [subject.number for subject in subjects] == [1, 0]
    assert rule == "2 of 4 samples: 1 with the largest errors, 1 evenly over the others"
    assert subjects[0].said == "true 9.5, predicted 2"


def test_one_output_for_two_classes_is_explained_with_the_sign_of_the_predicted_class():
    experiment = experiment_of([[-3.0], [2.0]], [0, 1], task="classification")
    subjects, _ = choose(experiment, 2)
    by_number = {subject.number: subject for subject in subjects}
    assert (by_number[0].target.sign, by_number[1].target.sign) == (-1, 1)
    assert float(by_number[0].target.of(by_number[0].values)) == 3.0
    assert "raw output for the predicted class" in explained(experiment)


def test_without_targets_and_without_data():
    assert "predicted classes" in choose(experiment_of(SCORES, task="classification"), 2)[1]
    experiment = build(Given(), example_inputs=torch.tensor(SCORES), task="classification", modality="table")
    subjects, rule = choose(experiment, Options().samples)
    assert [subject.name for subject in subjects][:2] == ["example 0", "example 1"]
    assert rule == "6 of 6 example inputs: the first"


def test_probabilities_are_not_called_logits():
    experiment = experiment_of([[0.3, 0.7], [0.9, 0.1]], [0, 1], task="classification")
    assert "a probability" in explained(experiment)
    assert "logit" in explained(experiment_of(SCORES, TARGETS))


def test_probabilities_of_examples_are_not_called_logits():
    given = {"example_inputs": torch.tensor([[0.3, 0.7], [0.9, 0.1]]), "task": "classification"}
    assert "a probability" in explained(build(Given(), **given, modality="table"))


def test_an_example_whose_output_is_not_finite_is_left_out_and_said():
    rows = torch.tensor([[float("nan"), 0.0], [1.0, 2.0]])
    experiment = build(Given(), example_inputs=rows, task="classification", modality="table")
    subjects, rule = choose(experiment, 2)
    assert [subject.name for subject in subjects] == ["example 1"]
    assert rule == "1 of 2 example inputs: the first; 1 with outputs that are not finite left out"
    with pytest.raises(InputError, match="not finite on all 1 example input"):
        choose(build(Given(), example_inputs=rows[:1], task="classification", modality="table"), 2)


@pytest.mark.parametrize("none", [-1, -100])
def test_a_sample_without_a_label_is_neither_a_mistake_nor_correct(none):
    targets = [none, 1, 0, none, 0, none]
    subjects, rule = choose(experiment_of(SCORES, targets), 4)
    assert [subject.number for subject in subjects] == [1, 2, 4, 0]
    assert rule == (
        "4 of 6 samples: 1 of 2 mistakes, the most confident first; 1 with the smallest margin between the two "
        "likeliest classes; 1 correct, evenly over the classes, the surest of each; 1 without a label, evenly over "
        "the predicted classes (confident: a probability of 0.80 or more, unsure: a margin below 0.20)"
    )
    assert subjects[3].said == "no label, predicted class 0 (0.99)"


def test_nothing_but_samples_without_a_label_are_explained_all_the_same():
    subjects, rule = choose(experiment_of(SCORES, [-1] * 6), 2)
    assert rule == "2 of 6 samples: 2 without a label, evenly over the predicted classes"
    assert [subject.said[:8] for subject in subjects] == ["no label"] * 2


def test_one_sample_asked_for_is_no_probability_because_its_score_lies_between_zero_and_one(monkeypatch):
    monkeypatch.setattr(predictions, "affordable", lambda experiment: 2)
    scores = [[-3.0], [0.4], [2.0], [5.0]]  # of which the first and the third are looked at
    experiment = build(
        Given(),
        data=(torch.tensor(scores), torch.tensor([0, 1, 1, 1])),
        modality="table",
        task="classification",
    )
    assert experiment.predictions.numbers.tolist() == [0, 2]
    (subject,), _ = choose(experiment, 1, (1,))
    sure = float(torch.tensor(0.4).sigmoid())
    assert subject.said == f"true class 1, predicted class 1 ({sure:.2f})"


def test_example_inputs_may_be_asked_for_by_number_too():
    experiment = build(Given(), example_inputs=torch.tensor(SCORES), class_names=["cat", "dog"])
    subjects, rule = choose(experiment, 8, (4, 1))
    assert [subject.number for subject in subjects] == [4, 1]
    assert rule == "2 of 6 example inputs: chosen by number"
    with pytest.raises(InputError, match="there is no sample 6 among the 6"):
        choose(experiment, 8, (6,))
