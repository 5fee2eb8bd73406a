"""The YAML head of a model card, which the Hugging Face Hub reads; its fields: huggingface.co/docs/hub/model-cards."""

from __future__ import annotations

import yaml

from digits.config.types import Tree, Value
from digits.exporting.about import About
from digits.exporting.measured import Share
from digits.exporting.onnx_export import MadeFile

KNOWN = ("accuracy", "precision", "recall")  # metrics that have these names on the Hub, too


def head(about: About) -> str:
    """The head, with its two lines of dashes."""
    hub = about.origin.hub
    task = (
        ("object-detection", "Object detection") if about.detects else ("image-classification", "Image classification")
    )
    measured = [metric for file in about.files for metric in _metrics(file)]
    tree: Tree = {
        "license": about.licence,
        "library_name": "onnx",  # without it the Hub takes a folder with config.json for one of transformers
        "pipeline_tag": task[0],
        "tags": ["onnx", "onnxruntime", "safetensors", "digits"],
        **({"datasets": [hub]} if hub else {}),
        "metrics": [name for name in about.files[0].shares if name in KNOWN],
        "model-index": [
            {
                "name": about.name,
                "results": [
                    {
                        "task": {"type": task[0], "name": task[1]},
                        "dataset": {
                            "type": hub or str(about.data.name),
                            "name": about.origin.title,
                            "split": "test",
                        },
                        "metrics": measured,
                    }
                ],
            }
        ],
    }
    return f"---\n{yaml.safe_dump(tree, sort_keys=False, allow_unicode=True, width=120)}---\n"


def _metrics(file: MadeFile) -> list[Value]:
    """The measurements of a file; the format has no place for an interval but the metric's name."""
    found: list[Value] = [
        _metric(name, share.value, f"{name} of {file.name}{_interval(share)}")
        for name, share in file.shares.items()
        if share.value is not None
    ]
    if file.calibration is not None:
        name = "expected_calibration_error"
        found.append(_metric(name, file.calibration.error, f"expected calibration error of {file.name}"))
    return found


def _metric(kind: str, value: float, name: str) -> Value:
    return {"type": kind, "value": round(value, 6), "name": name}


def _interval(share: Share) -> str:
    return "" if share.interval is None else ", 95 % interval {:.4f} to {:.4f}".format(*share.interval)
