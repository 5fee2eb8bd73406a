"""From a configuration to a run directory: the LightningModule, the callbacks, and the one path through training.

Reading a run (`digits.runs.layout`) takes no torch; everything else here does.
"""
