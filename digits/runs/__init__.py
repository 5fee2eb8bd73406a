"""The run directory: its layout and record, and runs resumed, compared and reported.

Only `weights` and `checkpoint_file`, which read tensors, import torch.
"""
