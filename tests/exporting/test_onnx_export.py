"""The exported net against PyTorch's, and what its file says of itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
import torch
from torch import Tensor, nn

from digits.data import MNISTDataModule, Normalise, Split
from digits.evaluating.dataset import net_input
from digits.exporting.calibration import fit_temperature
from digits.exporting.onnx_export import Exported, export, leave, notes, provenance_of
from digits.exporting.onnx_graph import ExportError, to_onnx
from digits.models import CNN, MLP, LogisticRegression, ResNet, TinyCNN
from digits.reading.model.check import OPERATORS, check_model
from digits.reading.model.metadata import parse
from digits.runs.schema import RecordedTarget, RunRecord

MEAN, STD = 0.156, 0.2777


def data_module(**changes: object) -> MNISTDataModule:
    section: dict[str, object] = {
        "name": "optdigits", "root": "data", "mirrors": None, "mean": MEAN, "std": STD, "num_classes": 10,
        "image_size": 28, "val_size": 180, "split_seed": 0, "limit": None, "batch_size": 64, "eval_batch_size": 128,
    }  # fmt: skip
    module = MNISTDataModule(**(section | changes))  # type: ignore[arg-type]  # each of its own type
    module.setup()
    return module


@pytest.fixture(scope="module")
def data() -> MNISTDataModule:
    return data_module()


def untrained(make: Callable[[], nn.Module]) -> nn.Module:
    """A net whose normalisations are not the identity, as training leaves them."""
    torch.manual_seed(0)
    net = make()
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            assert layer.running_mean is not None
            assert layer.running_var is not None
            nn.init.normal_(layer.weight)
            nn.init.normal_(layer.bias)
            nn.init.normal_(layer.running_mean)
            nn.init.uniform_(layer.running_var, 0.5, 2)
    return net


def fitted(data: MNISTDataModule) -> nn.Module:
    """A linear net after a few steps: good, not perfect."""
    torch.manual_seed(0)
    net = LogisticRegression(28, 10)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.002)
    images, labels = data.normalise(data.train.pixels()), data.train.truth()
    for _ in range(25):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(images), labels).backward()
        optimizer.step()
    return net


@pytest.fixture(scope="module")
def exported(data: MNISTDataModule) -> list[Exported]:
    """The linear net, and in int8."""
    return export(fitted(data), data, json.dumps({"seed": 3}), int8=True)


NETS: dict[str, Callable[[], nn.Module]] = {
    "logistic": lambda: LogisticRegression(28, 10),
    "mlp": lambda: MLP(28, 10, [32, 32], 0.3),
    "cnn": lambda: CNN(28, 10, [[16], [32, 32]], 0.3),
    "resnet": lambda: ResNet(10, [16, 32], 1, 0.1),
    "tiny": lambda: TinyCNN(10, [[16, 16], [16, 16], [15]]),
}


# ---- The graph ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETS)
def test_every_kind_of_net_answers_as_it_does_in_pytorch(name: str, data: MNISTDataModule) -> None:
    [file] = export(untrained(NETS[name]), data, "{}", int8=False)
    assert file.different == 0
    assert file.largest_difference < 1e-4
    assert file.images == 360
    check_model(file.content, file.name)
    graph = onnx.load_from_string(file.content).graph
    assert {node.op_type for node in graph.node} <= OPERATORS
    before_pooling = {"cnn": 2, "tiny": 2, "resnet": 3}  # not next to a convolution that it could be a part of
    assert sum(node.op_type == "BatchNormalization" for node in graph.node) == before_pooling.get(name, 0)


def test_pictures_of_another_size_are_exported() -> None:
    graph = to_onnx(untrained(lambda: CNN(20, 7, [[8], [8]], 0.0)), Normalise(MEAN, STD), 20)
    assert [dim.dim_value for dim in graph.graph.input[0].type.tensor_type.shape.dim] == [0, 1, 20, 20]
    assert [dim.dim_value for dim in graph.graph.output[0].type.tensor_type.shape.dim] == [0, 7]


def test_the_same_net_gives_the_same_bytes_and_nothing_of_the_machine(data: MNISTDataModule) -> None:
    first, second = (export(untrained(NETS["mlp"]), data, "{}", int8=True) for _ in range(2))
    assert [file.content for file in first] == [file.content for file in second]
    here = Path(__file__).parents[2]
    for file in first:
        for word in (b".py", b"stack_trace", b"digits.", bytes(here), bytes(Path(torch.__file__).parent)):
            assert word not in file.content


class Treacherous(nn.Module):
    """Answers otherwise once it is exported."""

    def __init__(self, wrong: float) -> None:
        super().__init__()
        self.linear, self.wrong = nn.Linear(784, 10), wrong

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.linear(images.flatten(1))
        return logits + self.wrong * torch.arange(10) if torch.compiler.is_exporting() else logits


def test_a_net_whose_export_answers_otherwise_is_refused(data: MNISTDataModule) -> None:
    torch.manual_seed(0)
    with pytest.raises(ExportError) as caught:
        export(Treacherous(1000.0), data, "{}", int8=False)
    message = str(caught.value)
    assert message.startswith("the exported model's predictions differ from PyTorch's for 3")  # one of ten is a 9
    assert message.endswith("of 360 test images (the largest difference of a logit is 9e+03); nothing was kept")


def test_the_same_answers_by_other_logits_are_refused_too(data: MNISTDataModule) -> None:
    class Doubled(Treacherous):
        def forward(self, images: Tensor) -> Tensor:
            logits: Tensor = self.linear(images.flatten(1))
            return logits * self.wrong if torch.compiler.is_exporting() else logits

    torch.manual_seed(0)
    with pytest.raises(ExportError, match="differ from PyTorch's for 0 of 360 test images"):
        export(Doubled(2.0), data, "{}", int8=False)


def test_a_net_that_answers_with_no_numbers_is_refused(data: MNISTDataModule) -> None:
    net = LogisticRegression(28, 10)
    nn.init.constant_(net.linear.weight, float("nan"))
    with pytest.raises(ExportError, match=r"^the model returned NaN or infinity; nothing was kept"):
        export(net, data, "{}", int8=False)


def test_a_net_that_can_not_be_exported_is_told_in_a_sentence() -> None:
    class Fickle(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images.flatten(1)[:, :10] if images.sum() > 0 else images.flatten(1)[:, 10:20]

    with pytest.raises(ExportError, match=r"^PyTorch can't export the net: \w+: ") as caught:
        to_onnx(Fickle(), Normalise(MEAN, STD), 28)
    assert "\n" not in str(caught.value)


# ---- int8 -----------------------------------------------------------------------------------------


def test_int8_is_smaller_nearly_as_good_and_measured_itself(exported: list[Exported]) -> None:
    whole, small = exported
    assert len(small.content) < len(whole.content) / 2
    assert abs(small.accuracy - whole.accuracy) < 0.02
    assert small.largest_difference > whole.largest_difference
    check_model(small.content, small.name)
    tensors = {tensor.name: tensor for tensor in onnx.load_from_string(small.content).graph.initializer}
    assert {onnx.TensorProto.INT8} == {t.data_type for name, t in tensors.items() if name.endswith("weight_quantized")}
    described = parse({e.key: e.value for e in onnx.load_from_string(small.content).metadata_props})
    assert described.accuracy == small.correct / 360


def test_int8_is_calibrated_on_training_images_alone(data: MNISTDataModule, exported: list[Exported]) -> None:
    """Other test images, of another range, change nothing in the file but what was measured on them."""
    net, one = fitted(data), exported[1]
    other = data_module()
    other.test = Split(other.test.images // 3, *other.test[1:])
    [_, two] = export(net, other, "{}", int8=True)
    assert one.accuracy != two.accuracy
    graphs = [onnx.load_from_string(file.content).graph.SerializeToString(deterministic=True) for file in (one, two)]
    assert graphs[0] == graphs[1]
    dim = data_module()
    dim.train = Split(dim.train.images // 3, *dim.train[1:])
    [_, three] = export(net, dim, "{}", int8=True)
    assert onnx.load_from_string(three.content).graph.SerializeToString(deterministic=True) != graphs[0]


# ---- What the file says ----------------------------------------------------------------------------


def test_the_file_says_how_it_was_calibrated_on_validation_images(
    data: MNISTDataModule, exported: list[Exported]
) -> None:
    net, file = fitted(data), exported[0]
    entries = {entry.key: entry.value for entry in onnx.load_from_string(file.content).metadata_props}
    assert data.val is not None
    with torch.no_grad():
        logits = net(data.normalise(data.val.pixels()))
    assert float(entries["temperature"]) == pytest.approx(fit_temperature(logits, data.val.truth()), rel=1e-4)
    assert json.loads(entries["classes"]) == list("0123456789")
    assert json.loads(entries["provenance"]) == {"seed": 3}
    assert (entries["format"], entries["mean"], entries["std"], entries["image_size"]) == ("1", "0.156", "0.2777", "28")
    with torch.no_grad():
        guesses = net(data.normalise(data.test.pixels())).argmax(1)
    assert float(entries["accuracy"]) == int((guesses == data.test.truth()).sum()) / 360
    assert not notes([file], data)


def test_without_validation_images_it_is_not_calibrated_and_says_so() -> None:
    everything = data_module(val_size=0, limit=100)
    [file] = export(fitted(everything), everything, "{}", int8=False)
    assert "temperature" not in {entry.key for entry in onnx.load_from_string(file.content).metadata_props}
    assert file.calibration_error == file.uncalibrated_error
    assert notes([file], everything) == [
        "checked on the first 100 test images only: the run has data.limit=100",
        "not calibrated, confidences are softmax probabilities: the run kept no validation images (data.val_size is 0)",
    ]


# ---- Provenance and files -------------------------------------------------------------------------


def test_the_provenance_says_what_was_asked_for_but_not_where_it_lay() -> None:
    overrides = [
        "model=cnn", "model.stages=[[32],[64,64]]", "data.root=/home/me/data", "hydra.run.dir=C:\\runs\\7",
        "+data.mirrors=[http://me.example/]", "init_from=/home/me/outputs/runs/seven",
        "teachers=[~/outputs/one,outputs/two]", "optimizer.lr=1e-3", "hydra/launcher=joblib",
    ]  # fmt: skip
    record = RunRecord.model_validate({"overrides": overrides, "seed": 7, "commit": {"id": "abc", "dirty": False}})
    found = json.loads(provenance_of(record, "0" * 64))
    assert found["overrides"] == [
        "model=cnn", "model.stages=[[32],[64,64]]", "init_from=seven", "teachers=[one,two]", "optimizer.lr=1e-3",
        "hydra/launcher=joblib",
    ]  # fmt: skip
    assert (found["seed"], found["commit"], found["weights_sha256"]) == (7, {"id": "abc", "dirty": False}, "0" * 64)


def test_no_secret_of_a_logger_or_a_study_reaches_the_provenance() -> None:
    overrides = [
        "+logger.comet.api_key=hunter2", "logger={comet:{api_key:hunter2}}", "~logger.hunter2", "seed=1",
        "tune.storage='postgresql://me:hunter2@db.example/study'",
    ]  # fmt: skip
    found = provenance_of(RunRecord.model_validate({"overrides": overrides}), "0" * 64)
    assert "hunter2" not in found
    assert json.loads(found)["overrides"] == ["seed=1"]


def test_what_is_left_is_whole_and_without_an_older_quantised_net(
    tmp_path: Path, data: MNISTDataModule, exported: list[Exported]
) -> None:
    net = fitted(data)
    model = RecordedTarget.model_validate(
        {"_target_": "digits.models.LogisticRegression", "image_size": 28, "num_classes": 10}
    )
    whole, small = exported
    leave(tmp_path, [whole, small], net, model, net_input(data))
    assert {path.name for path in tmp_path.iterdir()} == {
        "model.onnx", "model.int8.onnx", "model.safetensors", "model.json"
    }  # fmt: skip
    assert (
        hashlib.sha256((tmp_path / "model.int8.onnx").read_bytes()).digest() == hashlib.sha256(small.content).digest()
    )
    leave(tmp_path, [whole], net, model, net_input(data))
    assert {path.name for path in tmp_path.iterdir()} == {"model.onnx", "model.safetensors", "model.json"}
    assert (tmp_path / "model.onnx").read_bytes() == whole.content


def test_the_figures_as_plain_data() -> None:
    file = Exported("model.onnx", b"1234", 10, 9, 0, 1e-6, None, 0.1, 0.1)
    assert file.tree() == {
        "name": "model.onnx", "bytes": 4, "images": 10, "correct": 9, "accuracy": 0.9, "different": 0,
        "largest_difference": 1e-6, "temperature": None, "calibration_error": 0.1, "uncalibrated_error": 0.1,
    }  # fmt: skip
