"""The run directory: what is in it, its record written and read, runs resumed, compared and reported.

No torch but in `weights` and `checkpoint_file`, which read tensors.
"""
