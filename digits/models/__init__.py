"""Plain nn.Modules, without Lightning: normalised float32 images (B, 1, H, W) in, logits (B, num_classes) out.

`Detector` returns maps instead, one value for each of its cells.
"""

from digits.models.cnn import CNN
from digits.models.detector import Detector
from digits.models.logistic import LogisticRegression
from digits.models.mlp import MLP
from digits.models.resnet import ResNet
from digits.models.tiny import TinyCNN

__all__ = ["CNN", "MLP", "Detector", "LogisticRegression", "ResNet", "TinyCNN"]
