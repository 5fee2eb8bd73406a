"""Checkpoints of strangers: made to run code, to crash, to hang or to fill the memory."""

from __future__ import annotations

import io
import os
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn

from digits.models import MLP
from digits.runs.checkpoint_file import read_checkpoint
from digits.runs.layout import RunError
from digits.runs.weights import load_weights

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def net() -> MLP:
    torch.manual_seed(0)
    return MLP(28, 10, [4], 0.0)


def checkpoint(net: nn.Module, path: Path, **more: object) -> Path:
    torch.save({"state_dict": {f"net.{key}": value for key, value in net.state_dict().items()}, **more}, path)
    return path


# ---- Pickles --------------------------------------------------------------------------------------


def as_torch_writes(pickled: bytes) -> bytes:
    """A zip archive as torch.save makes it, around a pickle of ours."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in {"data.pkl": pickled, "version": b"3", "byteorder": b"little"}.items():
            archive.writestr(f"evil/{name}", content)
    return file.getvalue()


GADGETS: dict[str, tuple[Callable[[str], bytes], str]] = {
    "REDUCE": (lambda code: b"cbuiltins\nexec\n(V" + code.encode() + b"\ntR.", "exec"),
    "system": (lambda code: b'cposix\nsystem\n(Vpython -c "' + code.encode() + b'"\ntR.', "posix.system"),
    "INST": (lambda code: b"(V" + code.encode() + b"\nibuiltins\nexec\n.", "operand"),
    "OBJ": (lambda code: b"(cbuiltins\nexec\nV" + code.encode() + b"\no.", "exec"),
    "STACK_GLOBAL": (
        lambda code: b"\x80\x04\x8c\x08builtins\x8c\x04exec\x93(V" + code.encode() + b"\ntR.",
        "operand",
    ),
}


@pytest.mark.parametrize("name", GADGETS)
def test_a_pickle_that_runs_code_is_refused(tmp_path: Path, net: MLP, name: str) -> None:
    harm, path = tmp_path / "harm", tmp_path / "evil.ckpt"
    make, named = GADGETS[name]
    gadget = make(f"open('{harm}', 'w')")
    pickle.loads(gadget)
    assert harm.exists(), "else this test would prove nothing"
    harm.unlink()
    path.write_bytes(as_torch_writes(gadget))
    with pytest.raises(RunError) as caught:
        read_checkpoint(path)
    assert str(caught.value).startswith(f"{path} holds what is not plain data: ")
    assert named in str(caught.value)
    assert "weights_only" not in str(caught.value), "no advice to run it"
    with pytest.raises(RunError, match="holds what is not plain data"):
        load_weights(net, path)
    path.write_bytes(gadget)
    with pytest.raises(RunError, match="is damaged: it is not a complete zip archive"):
        read_checkpoint(path)
    assert not harm.exists()


class Bomb:
    """Unpickles as a terabyte of zeros, from thirty bytes; torch's list of harmless names has it."""

    def __reduce__(self) -> tuple[type[bytearray], tuple[int]]:
        return bytearray, (1 << 40,)


def test_a_pickle_of_few_bytes_can_not_ask_for_many(tmp_path: Path, net: MLP) -> None:
    path = checkpoint(net, tmp_path / "bomb.ckpt", bomb=Bomb())
    for read in (read_checkpoint, lambda path: load_weights(net, path)):
        with pytest.raises(RunError, match="holds what is not plain data: bytearray"):
            read(path)


def test_a_gadget_beside_good_weights_is_refused(tmp_path: Path, net: MLP) -> None:
    path = checkpoint(net, tmp_path / "evil.ckpt", callbacks={"spy": os.getcwd})
    with pytest.raises(RunError, match=r"holds what is not plain data: GLOBAL (posix|os)\.getcwd"):
        load_weights(net, path)


def test_the_case_of_a_name_hides_nothing(tmp_path: Path) -> None:
    """torch finds evil/DATA.PKL too."""
    path = tmp_path / "evil.ckpt"
    path.write_bytes(as_torch_writes(b"cbuiltins\nbytearray\n(K\x0atR.").replace(b"data.pkl", b"DATA.PKL"))
    assert torch.load(path, weights_only=True) == bytearray(10)
    with pytest.raises(RunError, match="holds what is not plain data"):
        read_checkpoint(path)


# ---- Archives -------------------------------------------------------------------------------------


def test_what_a_run_saved_is_read(tmp_path: Path, net: MLP) -> None:
    more = {
        "loops": {"epoch": 1, "done": None, "rates": [0.5, (1, "x")]},
        "rng": torch.get_rng_state(),
        "raw": b"\0\xff",
    }
    path = checkpoint(net, tmp_path / "good.ckpt", **more, half=torch.zeros(2, dtype=torch.bfloat16))
    found = read_checkpoint(path)
    assert found["loops"] == more["loops"]
    assert found["raw"] == b"\0\xff"
    assert torch.equal(cast(torch.Tensor, found["rng"]), cast(torch.Tensor, more["rng"]))
    other = MLP(28, 10, [4], 0.0)
    load_weights(other, path)
    assert torch.equal(other.classify.weight, net.classify.weight)


def bomb() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("evil/data.pkl", b"\x80\x02}q\x00.")
        archive.writestr("evil/data/0", bytes(64 << 20))
    return file.getvalue()


def overlapping() -> bytes:
    """Many entries that are all the same bytes of the file."""
    content = as_torch_writes(pickle.dumps("x" * 100_000, 2))
    first = content.index(b"PK\x01\x02")
    end = content.index(b"PK\x05\x06")
    record = content[first : content.index(b"PK\x01\x02", first + 4)]
    directory = record * 50
    tail = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 50, 50, len(directory), first, 0)
    assert len(content) > end
    return content[:first] + directory + tail


def tape() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name in ("sys_info", "pickle", "storages", "tensors"):
            archive.addfile(tarfile.TarInfo(name))
    return file.getvalue()


def legacy() -> bytes:
    file = io.BytesIO()
    torch.save({"state_dict": {}}, file, _use_new_zipfile_serialization=False)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is damaged: it is not a complete zip archive"),
        (b"PK\x03\x04", "is damaged: it is not a complete zip archive"),
        (as_torch_writes(pickle.dumps({"state_dict": {}}, 2))[:-30], "is damaged: it is not a complete zip archive"),
        (legacy(), "is damaged: it is not a complete zip archive"),
        (tape(), "is damaged: it is not a complete zip archive"),
        (bomb(), "is refused: its [0-9,]+ bytes would unpack to 67,108,870"),
        (overlapping(), "is refused: its [0-9,]+ bytes would unpack to 5,000,"),
        (as_torch_writes(b"\x80\x02X\xff\xff\xff\xffabc"), "is damaged: "),
        (as_torch_writes(b"\x80\x02}q\x00"), "is damaged: "),
        (as_torch_writes(b"\x80\x02]q\x00K\x01s."), "is damaged: "),
        (as_torch_writes(b"\x80\x02" + b"(" * 100_000 + b"t" * 100_000 + b"."), "is not a checkpoint"),
        (as_torch_writes(pickle.dumps([1, 2], 2)), "is not a checkpoint: it is not a dictionary with string keys"),
        (as_torch_writes(pickle.dumps({1: 2}, 2)), "is not a checkpoint: it is not a dictionary with string keys"),
    ],
)  # fmt: skip
def test_an_archive_that_is_none_is_told(tmp_path: Path, net: MLP, content: bytes, why: str) -> None:
    path = tmp_path / "bad.ckpt"
    path.write_bytes(content)
    for read in (lambda: read_checkpoint(path), lambda: load_weights(net, path)):
        with pytest.raises(RunError, match=f"^{path} {why}") as caught:
            read()
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("state", [None, [1], {}, {"x": 1}, {"net.a": 1}, {1: 2}])
def test_a_checkpoint_without_our_net_is_told(tmp_path: Path, net: MLP, state: object) -> None:
    torch.save({"state_dict": state}, tmp_path / "other.ckpt")
    with pytest.raises(RunError, match=r"holds no net of this project|holds the weights of another net"):
        load_weights(net, tmp_path / "other.ckpt")


@pytest.mark.parametrize("kind", ["pipe", "folder", "endless", "nothing"])
@pytest.mark.parametrize("name", ["last.ckpt", "model.safetensors"])
def test_weights_that_are_no_file_do_not_hang(tmp_path: Path, net: MLP, kind: str, name: str) -> None:
    path = tmp_path / name
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        (path / "model.safetensors").mkdir(parents=True)
    elif kind == "endless":
        path.symlink_to("/dev/zero")
    with pytest.raises(RunError, match="does not exist" if kind == "nothing" else "is not a plain file"):
        load_weights(net, path)
    if name == "last.ckpt":
        with pytest.raises(RunError, match="there is no checkpoint" if kind == "nothing" else "is not a plain file"):
            read_checkpoint(path)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)), min_size=1, max_size=5), st.booleans())
def test_damage_anywhere_is_told_or_does_no_harm(
    tmp_path_factory: pytest.TempPathFactory, flips: list[tuple[int, int]], tensors: bool
) -> None:
    torch.manual_seed(0)
    net = MLP(2, 3, [4], 0.0)
    path = tmp_path_factory.getbasetemp() / ("damaged.safetensors" if tensors else "damaged.ckpt")
    if tensors:
        save_file(net.state_dict(), path)
    else:
        checkpoint(net, path)
    content = bytearray(path.read_bytes())
    for place, value in flips:
        content[place % min(len(content), 900 if tensors else 1 << 20)] = value
    path.write_bytes(content)
    try:
        load_weights(net, path)
    except RunError as error:
        assert str(error).startswith(str(path))  # noqa: PT017 (either outcome is right)
