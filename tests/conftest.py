"""What several tests share: networks that were really trained, once a run."""

from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, settings
from networks import cancer, diabetes, digits, docstrings


@pytest.fixture(scope="session")
def digits_cnn():
    """(model, data set): a residual CNN on 497 digits it was not trained on."""
    return digits()


@pytest.fixture(scope="session")
def cancer_mlp():
    """(model, data set, feature names): two classes, 30 features."""
    return cancer()


@pytest.fixture(scope="session")
def diabetes_mlp():
    """(model, data set, feature names): one value, 10 features."""
    return diabetes()


@pytest.fixture(scope="session")
def docstrings_cnn():
    """(model, data set, vocabulary, class names): which part of NumPy a dozen words are from, as ids."""
    return docstrings()


SMALL = {"attribution", "features", "sections", "history"}  # rooms whose tests run small networks


@pytest.fixture(scope="module", autouse=True)
def one_thread(request):
    """Small networks run faster so, the more the busier the machine is."""
    threads = torch.get_num_threads()
    if request.path.parent.name in SMALL:
        torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


# No deadline: a slow machine is not a wrong answer. The same examples each time, so that a failure comes back.
settings.register_profile(
    "reportgen", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("reportgen")
