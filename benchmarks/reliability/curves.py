"""The curves of a run as TensorBoard reads them, by both of its readers."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from tensorboard.backend.event_processing.plugin_event_multiplexer import (
    EventMultiplexer,
)
from tensorboard.context import RequestContext
from tensorboard.data.provider import RunTagFilter
from tensorboard.data.server_ingester import (
    NoDataServerError,
    SubprocessServerDataIngester,
    get_server_binary,
)
from tensorboard.util.grpc_util import ChannelCredsType

Curves = dict[str, list[str]]
"""Of each tag the points, `step=value` each: so NaN equals NaN."""


def multiplexer_curves(run: Path) -> Curves:
    """By the reader in Python, `tensorboard --load_fast=false`, which looks at a log's notes of a restart."""
    logging.getLogger("tensorboard").setLevel(logging.ERROR)  # it warns of every restart
    multiplexer = EventMultiplexer(tensor_size_guidance={"scalars": 0})
    multiplexer.AddRunsFromDirectory(str(run))
    multiplexer.Reload()
    curves: Curves = {}
    for name in multiplexer.Runs():
        for tag, metadata in multiplexer.GetAccumulator(name).AllSummaryMetadata().items():
            if metadata.plugin_data.plugin_name == "scalars":
                points = multiplexer.Tensors(name, tag)
                curves[label(name, tag)] = [f"{p.step}={p.tensor_proto.float_val[0]!r}" for p in points]
    return curves


def data_server_curves(run: Path, patience: float = 20.0) -> Curves:
    """By the data server, which `tensorboard` takes where it is installed: it goes by the steps alone."""
    try:
        binary = get_server_binary()
    except NoDataServerError:
        return {}
    server = SubprocessServerDataIngester(
        binary, str(run), reload_interval=0, channel_creds_type=ChannelCredsType.LOCAL,
        samples_per_plugin={"scalars": 0},
    )  # fmt: skip
    server.start()
    curves: Curves = {}
    until = time.monotonic() + patience
    while time.monotonic() < until:  # it answers while it still reads
        former, curves = curves, {}
        found = server.data_provider.read_scalars(
            RequestContext(), experiment_id="", plugin_name="scalars", downsample=1_000_000,
            run_tag_filter=RunTagFilter(),
        )  # fmt: skip
        for name, tags in found.items():
            for tag, points in tags.items():
                curves[label(name, tag)] = [f"{point.step}={point.value!r}" for point in points]
        if curves and curves == former:
            break
        time.sleep(0.2)
    return curves


def label(run: str, tag: str) -> str:
    """A tag's name, with that of the folder below the run's own, if it lies in one."""
    return tag if run == "." else f"{run}/{tag}"
