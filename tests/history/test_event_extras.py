"""What event files hold beside scalars, as each real writer writes it."""

import io
import warnings

import eventfiles as files
import numpy as np
import pytest
from PIL import Image
from tensorboard.plugins.histogram import summary_v2 as histograms_v2
from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2
from tensorboard.plugins.hparams import summary_v2 as hparams_v2
from tensorboard.summary import Writer
from tensorboardX import SummaryWriter as WriterX
from tensorboardX.proto import event_pb2

from reportgen import history
from reportgen.history.readers import events


def torch_writer(folder):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.utils.tensorboard import SummaryWriter
    return SummaryWriter(folder)


WRITERS = pytest.mark.parametrize("writer", [torch_writer, WriterX])


def only(folder):
    (path,) = folder.glob("events*")
    return events.read(path)


def opened(logged):
    return np.asarray(Image.open(io.BytesIO(logged.content)))


@WRITERS
def test_the_last_images_of_a_tag_are_kept_and_the_rest_counted(tmp_path, writer):
    pictures = np.random.default_rng(0).integers(0, 256, (12, 3, 5, 7), dtype=np.uint8)
    with writer(str(tmp_path)) as w:
        for step, picture in enumerate(pictures):
            w.add_image("a/picture", picture, step)
        w.add_image("other", pictures[0], 3)
    reading = only(tmp_path)
    assert [one.step for one in reading.images["a/picture"]] == list(range(4, 12))
    for one in reading.images["a/picture"]:
        assert np.array_equal(opened(one), pictures[one.step].transpose(1, 2, 0))
    assert len(reading.images["other"]) == 1
    assert reading.notes == ("4 of 13 images are left out: the last of each tag are kept",)


@WRITERS
def test_texts_are_kept_by_the_name_they_were_given(tmp_path, writer):
    with writer(str(tmp_path)) as w:
        w.add_text("note", "| a | b |\n|---|---|\n| 1 | ü |", 3)
        w.add_text("note", "later", 9)
    kept = only(tmp_path).texts
    assert {tag: [(one.step, one.content) for one in held] for tag, held in kept.items()} == {
        "note": [(3, "| a | b |\n|---|---|\n| 1 | ü |"), (9, "later")]
    }


@WRITERS
@pytest.mark.parametrize(
    "values", [np.random.default_rng(1).normal(size=999), np.full(50, 2.5), np.arange(4)]
)
def test_histograms_hold_every_value_between_its_edges(tmp_path, writer, values):
    with writer(str(tmp_path)) as w:
        w.add_histogram("weights", values, 5)
    (one,) = only(tmp_path).histograms["weights"]
    assert one.step == 5
    assert one.counts.sum() == len(values)
    assert one.edges[0] <= values.min()
    assert one.edges[-1] >= values.max()
    assert len(one.edges) == len(one.counts) + 1
    below = np.concatenate([[0], np.cumsum(one.counts)])
    inner = np.array([(values < edge).sum() for edge in one.edges[1:-1]])
    through = np.array([(values <= edge).sum() for edge in one.edges[1:-1]])
    # A value on an edge may be counted on either side.
    assert ((below[1:-1] >= inner) & (below[1:-1] <= through)).all()


def test_tensorflow_histograms_are_read_also_without_the_plugins_name_on_later_events(tmp_path):
    values = np.random.default_rng(2).normal(size=500)
    records = []
    for step, data in enumerate([values, values * 2, np.full(9, 3.0)]):
        summary = histograms_v2.histogram_pb("weights", data)
        if step:
            summary.value[0].ClearField("metadata")
        made = event_pb2.Event(wall_time=1e9, step=step)
        made.summary.ParseFromString(summary.SerializeToString())
        records.append(files.frame(made.SerializeToString()))
    kept = events.read(files.write(tmp_path, files.version(), *records)).histograms["weights"]
    counts, edges = np.histogram(values, bins=30)
    assert np.allclose(kept[0].edges, edges)
    assert kept[0].counts.tolist() == counts.tolist()
    assert np.allclose(kept[1].edges, edges * 2)
    assert (kept[2].edges == 3.0).all()
    assert kept[2].counts.sum() == 9


def test_many_histograms_are_kept_evenly_with_the_last_one(tmp_path):
    with WriterX(str(tmp_path)) as w:
        for step in range(1000):
            w.add_histogram("weights", np.arange(10.0) + step, step)
    reading = only(tmp_path)
    steps = [one.step for one in reading.histograms["weights"]]
    assert steps == [*range(0, 1000, 16), 999]
    assert reading.notes == ("936 of 1,000 histograms are left out: those kept lie evenly over the run",)


def string_tensor(tag, step, plugin, *held, dims=()):
    made = event_pb2.Event(wall_time=1e9, step=step)
    value = made.summary.value.add(tag=tag)
    value.tensor.dtype = 7
    value.tensor.string_val.extend(held)
    for size in dims:
        value.tensor.tensor_shape.dim.add(size=size)
    if plugin:
        value.metadata.plugin_data.plugin_name = plugin
    return files.frame(made.SerializeToString())


def png():
    out = io.BytesIO()
    Image.new("RGB", (2, 3), (9, 8, 7)).save(out, "PNG")
    return out.getvalue()


def test_tensorflow_images_and_texts_are_string_tensors(tmp_path):
    picture = png()
    path = files.write(
        tmp_path,
        files.version(),
        string_tensor("pic", 0, "images", b"2", b"3", picture, picture, dims=[4]),
        string_tensor("pic", 1, "", b"2", b"3", picture, dims=[3]),
        string_tensor("words", 1, "text", b"a", b"b", b"c", b"d", dims=[2, 2]),
        string_tensor("words", 2, "", "ä\xff".encode("latin-1"), dims=[]),
        string_tensor("neither", 2, "", b"x"),
    )
    reading = events.read(path)
    assert [(one.step, one.content) for one in reading.images["pic"]] == [
        (0, picture),
        (0, picture),
        (1, picture),
    ]
    assert [one.content for one in reading.texts["words"]] == ["a | b\nc | d", "\ufffd\ufffd"]
    assert set(reading.texts) == {"words"}
    assert reading.warnings == ()


def test_what_only_calls_itself_an_image_is_left_out_and_counted(tmp_path):
    made = event_pb2.Event(wall_time=1.0, step=1)
    made.summary.value.add(tag="pic").image.encoded_image_string = b"<svg onload=alert(1)>"
    odd = event_pb2.Event(wall_time=1.0, step=1)
    histo = odd.summary.value.add(tag="h").histo
    histo.bucket_limit.extend([1.0, 0.5])
    histo.bucket.extend([1.0, 1.0, 1.0])
    path = files.write(tmp_path, files.version(), *(files.frame(e.SerializeToString()) for e in (made, odd)))
    reading = events.read(path)
    assert not reading.images
    assert not reading.histograms
    assert reading.warnings == ("left out, as not understood: 2 of the logged images and histograms",)


def test_images_of_all_tags_together_stay_within_a_bound(tmp_path, monkeypatch):
    monkeypatch.setattr("reportgen.history.extras._IMAGE_BYTES", 32 << 10)
    big = b"\x89PNG\r\n\x1a\n" + bytes(3 << 10)
    records = []
    for step in range(30):
        made = event_pb2.Event(wall_time=1.0, step=step)
        made.summary.value.add(tag=f"pic{step % 3}").image.encoded_image_string = big
        records.append(files.frame(made.SerializeToString()))
    reading = events.read(files.write(tmp_path, *records))
    kept = [one for held in reading.images.values() for one in held]
    assert sum(len(one.content) for one in kept) <= 32 << 10
    assert sorted(one.step for one in kept) == list(range(20, 30))
    assert reading.notes == ("20 of 30 images are left out: the last of each tag are kept",)


HPARAMS = {"lr": 0.1, "layers": 3, "optimiser": "adam", "nesterov": True}


@WRITERS
def test_hyperparameters_in_a_folder_of_their_own_are_settings_of_the_run_above(tmp_path, writer):
    with writer(str(tmp_path / "run")) as w:
        for step in range(20):
            w.add_scalar("loss", 1 / (step + 1), step)
        w.add_hparams(HPARAMS, {"hparam/accuracy": 0.9})
    (run,) = history.read([tmp_path]).runs
    assert run.name == "run"
    assert len(run.series["loss"]) == 20
    assert dict(run.settings) == HPARAMS
    assert run.state == ""  # "success" was written at once, and says nothing


def test_lightning_keeps_hyperparameters_and_curves_in_one_file(tmp_path):
    from lightning.pytorch.loggers import TensorBoardLogger

    logger = TensorBoardLogger(tmp_path, name="net")
    logger.log_hyperparams(HPARAMS)
    for step in range(30):
        logger.log_metrics({"train/loss": 1 / (step + 1), "epoch": step // 10}, step)
    logger.finalize("success")
    (path,) = tmp_path.rglob("events*")
    assert dict(events.read(path).settings) == HPARAMS
    runs = history.read([tmp_path]).runs
    assert len(runs) == 1
    assert runs[0].series["train/loss"].value.tolist() == [float(np.float32(1 / (s + 1))) for s in range(30)]
    assert dict(runs[0].settings) == HPARAMS


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (api_pb2.STATUS_SUCCESS, "finished"),
        (api_pb2.STATUS_FAILURE, "failed"),
        (api_pb2.STATUS_RUNNING, "running"),
    ],
)
def test_the_hparams_plugin_says_how_a_session_ended(tmp_path, status, state):
    ended = plugin_data_pb2.HParamsPluginData(
        session_end_info=plugin_data_pb2.SessionEndInfo(status=status, end_time_secs=1.7e9)
    )
    records = []
    for tag, said in (("start", None), ("end", metadata.create_summary_metadata(ended))):
        made = event_pb2.Event(wall_time=1e9)
        if said is None:
            made.summary.ParseFromString(hparams_v2.hparams_pb(HPARAMS).SerializeToString())
        else:
            made.summary.value.add(tag=tag).metadata.ParseFromString(said.SerializeToString())
        records.append(files.frame(made.SerializeToString()))
    reading = events.read(files.write(tmp_path, files.version(), *records))
    assert dict(reading.settings) == HPARAMS
    assert reading.state == state


def test_tensorboards_own_writer_of_tensor_scalars_is_read_exactly(tmp_path):
    values = np.random.default_rng(3).normal(size=(3, 400)).astype(np.float32)
    values[1, 7], values[2, 9] = np.nan, np.inf
    writer = Writer(str(tmp_path))
    for step in range(400):
        for tag in range(3):
            writer.add_scalar(f"metric{tag}", values[tag, step], step, wall_time=1e9 + step)
    writer.close()
    reading = only(tmp_path)
    assert reading.warnings == ()
    for tag in range(3):
        points = reading.points[f"metric{tag}"]
        assert points.step.tolist() == list(range(400))
        assert points.wall.tolist() == [1e9 + step for step in range(400)]
        assert np.array_equal(points.value, values[tag].astype(float), equal_nan=True)


def test_pictures_among_scalars_cost_no_scalar(tmp_path):
    with WriterX(str(tmp_path)) as w:
        for step in range(200):
            w.add_scalar("loss", step / 7, step)
            w.add_image("pic", np.full((3, 40, 40), step % 256, np.uint8), step)
            w.add_histogram("h", np.arange(step + 2.0), step)
    points = only(tmp_path).points
    assert list(points) == ["loss"]
    assert points["loss"].value.tolist() == [float(np.float32(step / 7)) for step in range(200)]
