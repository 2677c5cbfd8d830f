"""How to read each method of explaining and each measure of how far to trust it."""

from __future__ import annotations

from collections.abc import Sequence

from reportgen.attribution.checks import INFIDELITY, SENSITIVITY
from reportgen.report import Text

METHODS = {
    "LIME": "LIME hides or moves parts of the input at random and fits a linear model to how the score answers; a "
    "weight is that part's share in it. R2 says how much of the answer the linear model captures, consistency "
    "how alike the values are with another seed (their cosine, in which large ones count for more; 1 = the same), the "
    "overlap of the top how many of the largest weights stay the largest.",
    "KernelShap": "KernelShap gives each part its Shapley value: its mean effect on the score over all sets of other "
    "parts that it could join, estimated from some of them where there are many. The values add up to f(x) - "
    "f(baseline) by construction, so that says nothing of how near they are; the consistency, the cosine of "
    "the values of the two halves of the coalitions, does.",
    "GradientShap": "GradientShap averages gradients on the way from references to the input: samples of the data "
    "where there are any that fit in its place, with a table's categories as in the input, else (so of texts) the "
    "baseline. The values add up to f(x) - the mean score of the references, but for the additivity error.",
    "SHAP Gradient": "SHAP Gradient averages gradients between the sample and samples of the data; the values add up "
    "to f(x) - the mean score of these samples, but for the error of drawing them, which the additivity error tells.",
    "SHAP Kernel": "SHAP Kernel shares f(x) - the mean score among the features as Shapley values, by least squares "
    "over features shown and hidden; what is hidden takes the values of other samples.",
    "SHAP Permutation": "SHAP Permutation does the same over random orders in which the features are shown.",
    "Integrated Gradients": "Integrated Gradients sums gradients from the baseline to the input. The values add up "
    "to the difference of the two scores; the completeness error is by how much they miss it. Of a text these are the "
    "vectors of its tokens (layer Integrated Gradients), and a token's value is the sum over its vector.",
    "Saliency": "Saliency is the size of the score's gradient: where the smallest change moves the score most, not "
    "what the score is made of. It has no sign.",
    "SmoothGrad": "SmoothGrad is the size of the mean gradient over noisy copies of the input. It has no sign.",
    "Input × gradient": "Input × gradient is what each value adds to the score as far as the score is linear here; a "
    "value of zero counts for nothing, whatever it means.",
    "Grad-CAM": "Grad-CAM weights a layer's channels by their gradient and keeps what speaks for the score, as "
    "coarse as that layer is. It has no sign.",
    "Occlusion": "Occlusion hides one window or part at a time: a value is what the score loses without it alone. "
    "Where either of two parts is enough, both count little.",
}

MEASURES = {
    "agreement": "Agreement: methods ask different questions, so they may differ and all be right. Where they agree, "
    "that is some support; no single number says that an explanation is true.",
    "removal": "Deletion and insertion: what a method ranks first is hidden first, or shown first. A low area under "
    "the deletion curve and a high one under the insertion curve say that the model's score hangs on it. Which "
    "method looks best depends on what stands for hidden, so there are two baselines; and half-hidden inputs are "
    "unlike the data, so a score may fall for that alone, which the random orders show.",
    "randomised": "Random parameters: a map that stays the same when the model has learned nothing can't show what "
    "was learned. It is no verdict: where large parts of the input are equal to the baseline, sound methods give "
    "maps that look alike for any model, and unsound ones may change. The control says how far the map is "
    "explained by the input alone.",
    INFIDELITY: "Infidelity: parts are hidden at random, and the map's sum over them is held against the fall of the "
    "score. 0 says that the falls are in proportion to these sums, 1 that the sums tell nothing of them. Few maps come "
    "near to 0 where parts matter together, since no sum over parts can tell that; and what stands for hidden decides, "
    "so that a method whose own baseline is another may look worse than it is.",
    SENSITIVITY: "Max-sensitivity: how far a map moves, as a share of its size, when the sample moves by hardly "
    "anything. A low one says that the map is steady, not that it is right: a map that is always the same has 0.",
}


def reading(methods: Sequence[str], measures: Sequence[str] = tuple(MEASURES)) -> Text:
    """What each of these methods asks, what each of these measures says, and how to read the answers."""
    told = [METHODS[name] for name in methods if name in METHODS] + [MEASURES[name] for name in measures]
    return Text(title="How to read them", text="\n\n".join(told))
