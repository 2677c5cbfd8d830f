"""What people write today: the public tools at their defaults, pieced together. Much less than a report.

python -m benchmarks.by_hand FOLDER, where FOLDER holds what `reportgen demo` leaves.
"""

from __future__ import annotations

import base64
import csv
import html
import io
import sys
from pathlib import Path

import captum.attr
import matplotlib as mpl
import numpy as np
import torch
import torchinfo
import weasyprint
from lime import lime_image
from safetensors.torch import load_file
from tensorboardX.proto.event_pb2 import Event

from reportgen.demo import DigitsResNet, validation_data

mpl.use("Agg")
import matplotlib.pyplot as plt


def picture(figure) -> str:
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=100)
    plt.close(figure)
    return f'<img src="data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}">'


def curves(folder: Path) -> str:
    figure, axes = plt.subplots()
    for path in sorted(folder.rglob("events.out.tfevents.*")):
        data, series, at = path.read_bytes(), {}, 0
        while at < len(data):
            length = int.from_bytes(data[at : at + 8], "little")
            event = Event.FromString(data[at + 12 : at + 12 + length])
            for value in event.summary.value:
                series.setdefault(value.tag, []).append((event.step, value.simple_value))
            at += 16 + length
        for tag, points in series.items():
            axes.plot(*zip(*points, strict=True), label=tag)
    for path in sorted(folder.rglob("*.csv")):
        with path.open() as file:
            list(csv.DictReader(file))
    axes.legend()
    return picture(figure)


def explain(model, images, targets) -> str:
    parts = []
    saliency, gradients = captum.attr.Saliency(model), captum.attr.IntegratedGradients(model)
    cam = captum.attr.LayerGradCam(model, model.layers[3].conv2)

    def classify(batch):
        grey = torch.tensor(batch[..., :1]).permute(0, 3, 1, 2).float()
        with torch.no_grad():
            return model(grey).softmax(1).numpy()

    for image, target in zip(images, targets, strict=True):
        one = image[None]
        maps = [
            method.attribute(one.clone().requires_grad_(), target=int(target))
            for method in (saliency, gradients, cam)
        ]
        explainer = lime_image.LimeImageExplainer(random_state=0)
        rgb = np.repeat(image.permute(1, 2, 0).numpy().astype(np.double), 3, axis=2)
        cells = np.arange(16).reshape(4, 4).repeat(2, 0).repeat(2, 1)
        found = explainer.explain_instance(
            rgb, classify, num_samples=1000, segmentation_fn=lambda _, cells=cells: cells
        )
        _, mask = found.get_image_and_mask(found.top_labels[0])
        figure, axes = plt.subplots(1, 5)
        shown = [image[0], mask, *(m.detach()[0, 0] for m in maps)]
        for axis, values in zip(axes, shown, strict=True):
            axis.imshow(values)
        parts.append(picture(figure))
    return "".join(parts)


def main(folder: Path) -> None:
    model = DigitsResNet()
    model.load_state_dict(load_file(folder / "weights.safetensors"))
    model.eval()
    images, targets = validation_data().tensors
    text = str(torchinfo.summary(model, input_size=(1, 1, 8, 8), verbose=0))
    with torch.no_grad():
        predicted = model(images).argmax(1)
    figure, axes = plt.subplots()
    axes.imshow(np.histogram2d(targets, predicted, bins=10)[0])
    accuracy = (predicted == targets).float().mean()
    body = f"<h1>Report</h1><pre>{html.escape(text)}</pre>{curves(folder)}<p>accuracy {accuracy:.3f}</p>"
    body += picture(figure) + explain(model, images[:8], targets[:8])
    (folder / "by_hand.html").write_text(body)
    weasyprint.HTML(string=body).write_pdf(folder / "by_hand.pdf")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
