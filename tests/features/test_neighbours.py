import numpy as np
import pytest
from sklearn.datasets import load_digits, load_iris
from sklearn.feature_selection import f_classif
from sklearn.manifold import trustworthiness
from sklearn.neighbors import NearestNeighbors

from reportgen.features.embedding import pca
from reportgen.features.neighbours import agreement, telling, trust, tsne

DIGITS, LABELS = (part[:150] for part in load_digits(return_X_y=True))


def test_t_sne_is_the_same_each_time_and_keeps_neighbours_better_than_pca():
    plane, perplexity = tsne(DIGITS, 3)
    assert plane.shape == (150, 2)
    assert perplexity == 30
    assert np.array_equal(plane, tsne(DIGITS, 3)[0])
    assert trust(DIGITS, plane) > trust(DIGITS, pca(DIGITS).points) + 0.05
    assert trust(DIGITS, plane) == trustworthiness(DIGITS, plane, n_neighbors=10)


def test_of_few_samples_the_perplexity_is_smaller():
    assert tsne(DIGITS[:31], 0)[1] == 10


@pytest.mark.parametrize(
    "values", [DIGITS[:29], np.zeros((1001, 2)), np.full((40, 3), np.nan), np.ones((40, 3)) * np.arange(3)]
)
def test_what_t_sne_cannot_lay_out_is_refused(values):
    with pytest.raises(ValueError, match=r"expected 30 to 1,000|not finite|all the same"):
        tsne(values, 0)


def test_agreement_is_that_of_scikit_learns_neighbours():
    found = agreement(DIGITS, LABELS.tolist())
    nearest = NearestNeighbors(n_neighbors=10).fit(DIGITS).kneighbors(return_distance=False)
    assert found.share == pytest.approx((LABELS[nearest] == LABELS[:, None]).mean(), abs=0.002)  # ties
    assert found.share > 0.7


def test_chance_is_the_share_of_other_samples_with_the_same_class():
    found = agreement(DIGITS[:20], [0] * 5 + [1] * 15)
    assert found.chance == pytest.approx((5 * 4 / 19 + 15 * 14 / 19) / 20)
    noise = np.random.default_rng(0).normal(size=(400, 5))
    by_luck = agreement(noise, (np.arange(400) % 4).tolist())
    assert by_luck.share == pytest.approx(by_luck.chance, abs=0.03)


def test_samples_without_a_class_are_left_out_and_too_few_give_nothing():
    assert agreement(DIGITS[:40], [-1] * 10 + LABELS[10:40].tolist()).samples == 30
    assert agreement(DIGITS[:11], LABELS[:11].tolist()) is None
    assert agreement(DIGITS[:40], [3] * 40) is None


def test_the_f_ratio_is_that_of_scikit_learn():
    values, labels = load_iris(return_X_y=True)
    assert telling(values, labels.tolist()) == pytest.approx(f_classif(values, labels)[0], rel=1e-9)


def test_a_unit_that_never_changes_tells_nothing_and_one_that_is_the_class_all():
    values = np.stack([np.full(6, 0.1), np.array([0, 0, 0, 2, 2, 2.0])], axis=1)
    assert telling(values, [0, 0, 0, 1, 1, 1]).tolist() == [0, np.inf]
    with pytest.raises(ValueError, match="expected 2 classes"):
        telling(values, [1] * 6)
