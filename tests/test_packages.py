"""Models of packages that people really use, tiny and with random weights, come out as they went in and still run."""

from __future__ import annotations

import copy
import dataclasses
import functools
import logging
from collections import OrderedDict

import pytest
import state
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import reportgen

CLASSES = 3


def checked(model, call, **given):
    """The report on a model that gives the same before and after, and whose every section was made."""
    model.eval()
    with torch.no_grad():
        before = call(model)
    kept = of_parts(model)
    report = reportgen.collect(model, samples=1, time_limit=0, **given)
    assert of_parts(model) == kept
    with torch.no_grad():
        assert torch.equal(call(model), before)
    assert [section.name for section in report.failed] == []
    assert report.section("overview").block("aftermath") is None
    assert not [finding for finding in report.findings if "put back" in finding.message]
    return report


def of_parts(model):
    """As `state.of_model`, of tensors that consist of others by these."""
    found = {}
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        names = tensor.__tensor_flatten__()[0] if hasattr(tensor, "__tensor_flatten__") else ()
        inner = [getattr(tensor, one) for one in names] or [tensor]
        found[name] = (id(tensor), tensor.requires_grad, [(id(part), state.bytes_of(part)) for part in inner])
    for name, module in model.named_modules():
        found[f"module {name}"] = (type(module), module.training, list(vars(module)))
    return found


DATA = (torch.rand(12, 8), torch.arange(12) % CLASSES)


# --- diffusers ----------------------------------------------------------------------------------------------


def test_a_model_of_diffusers_keeps_its_configuration():
    import diffusers

    torch.manual_seed(0)
    model = diffusers.UNet2DModel(
        sample_size=8, in_channels=1, out_channels=1, layers_per_block=1, block_out_channels=(8, 8),
        down_block_types=("DownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "UpBlock2D"), norm_num_groups=4,
    )  # fmt: skip
    config, kind = copy.copy(dict(model.config)), type(model.config)
    noise = torch.rand(1, 1, 8, 8)
    report = checked(
        model,
        lambda model: model(noise, 1).sample,
        example_inputs={"sample": noise, "timestep": torch.tensor([1])},
        sections=["overview", "architecture", "features", "environment"],
    )
    assert dict(model.config) == config
    assert type(model.config) is kind
    assert len(config) > 20
    totals = {fact.label: fact.value for fact in report.section("architecture").block("totals").facts}
    assert totals["Parameters"] == sum(p.numel() for p in model.parameters())


# --- torchao ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["Int8WeightOnlyConfig", "Int8DynamicActivationInt8WeightConfig"])
def test_weights_that_torchao_quantized_are_the_same_to_the_bit(how):
    from torchao import quantization

    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, CLASSES)).eval()
    quantization.quantize_(model, getattr(quantization, how)())
    assert type(model[0].weight) is not nn.Parameter
    report = checked(model, lambda model: model(DATA[0]), data=DATA)
    facts = {fact.label: fact.value for fact in report.section("environment").block("origin").facts}
    assert len(facts["Weights digest"]) == 64


# --- peft and transformers ----------------------------------------------------------------------------------


def test_a_transformer_with_adapters_of_peft():
    import peft
    import transformers

    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8,
        num_labels=CLASSES, max_position_embeddings=16,
    )  # fmt: skip
    model = peft.get_peft_model(
        transformers.BertForSequenceClassification(config),
        peft.LoraConfig(r=2, target_modules=["query", "value"], task_type="SEQ_CLS"),
    )
    said = (model.config.to_dict(), {name: one.to_dict() for name, one in model.peft_config.items()})
    trained = [name for name, p in model.named_parameters() if p.requires_grad]
    ids = torch.randint(0, 20, (12, 7))
    checked(
        model,
        lambda model: model(input_ids=ids).logits,
        data=[({"input_ids": row}, int(number % CLASSES)) for number, row in enumerate(ids)],
        sections=["overview", "architecture", "evaluation", "features", "environment"],
    )
    assert (model.config.to_dict(), {name: one.to_dict() for name, one in model.peft_config.items()}) == said
    assert [name for name, p in model.named_parameters() if p.requires_grad] == trained


# --- lightning ----------------------------------------------------------------------------------------------


def test_a_module_of_lightning_that_was_trained_goes_on_training(tmp_path):
    import lightning

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

    class Net(lightning.LightningModule):
        def __init__(self, rate=0.1):
            super().__init__()
            self.save_hyperparameters()
            self.net = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, CLASSES))

        def forward(self, x):
            return self.net(x)

        def training_step(self, batch, number):
            loss = nn.functional.cross_entropy(self(batch[0]), batch[1])
            self.log("loss", loss)
            return loss

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), self.hparams.rate)

    def trained(look):
        torch.manual_seed(0)
        model, data = Net(), TensorDataset(*DATA)
        loader = DataLoader(data, 4, shuffle=True, generator=torch.Generator().manual_seed(5))
        options = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
        options |= {"enable_model_summary": False, "accelerator": "cpu", "default_root_dir": tmp_path}
        lightning.Trainer(max_epochs=1, **options).fit(model, loader)
        if look:
            model.train()
            parameters = dict(model.hparams)
            reportgen.collect(
                model, data=loader, samples=1, sections=["architecture", "evaluation", "features"]
            )
            assert dict(model.hparams) == parameters
            assert model.training
        lightning.Trainer(max_epochs=1, **options).fit(model, loader)
        return [state.bytes_of(p) for p in model.parameters()]

    assert trained(look=True) == trained(look=False)


# --- what timm's models have in common (the package asks for torchvision) -------------------------------------


@dataclasses.dataclass(frozen=True)
class Pretrained:
    """As timm's PretrainedCfg."""

    url: str = ""
    mean: tuple = (0.485, 0.456, 0.406)
    tags: list = dataclasses.field(default_factory=lambda: ["a"])


class FeatureInfo:
    """As timm's: a plain object with a list of dicts, and read by methods."""

    def __init__(self):
        self.out_indices = (0, 1)
        self.info = [{"module": "stem", "num_chs": 4}, {"module": "head", "num_chs": CLASSES}]

    def __getitem__(self, number):
        return self.info[number]

    def __len__(self):
        return len(self.info)


class DropPath(nn.Module):
    """Draws from a generator of its own while the model is trained."""

    def __init__(self):
        super().__init__()
        self.generator = torch.Generator().manual_seed(1)

    def forward(self, x):
        return x * torch.rand(1, generator=self.generator).round().clamp(min=1)


class Timmish(nn.Module):
    default_cfg = Pretrained()
    counts: OrderedDict = OrderedDict(calls=0)  # noqa: RUF012 - of the class, as timm's registries are

    def __init__(self):
        super().__init__()
        act = functools.partial(nn.GELU, approximate="tanh")
        self.pretrained_cfg, self.feature_info = Pretrained(), FeatureInfo()
        self.stem, self.act, self.drop = nn.Linear(8, 4), act(), DropPath()
        self.head = nn.Linear(4, CLASSES)
        self.make, self.grad_checkpointing = act, False

    def forward(self, x):
        self.feature_info.info[0]["last"] = x.shape
        self.pretrained_cfg.tags.append("seen")
        Timmish.counts["calls"] += 1
        return self.head(self.drop(self.act(self.stem(x))))


def test_a_model_with_the_traits_of_timms():
    torch.manual_seed(0)
    model = Timmish()
    generator = model.drop.generator.get_state()
    report = reportgen.collect(model, data=DATA, samples=1, time_limit=0)
    assert torch.equal(model.drop.generator.get_state(), generator)
    assert model.feature_info.info[0] == {"module": "stem", "num_chs": 4}
    assert model.pretrained_cfg.tags == ["a"]
    assert Timmish.counts == {"calls": 0}
    assert not report.failed
