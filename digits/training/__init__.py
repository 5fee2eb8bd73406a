"""From an Experiment to a run directory: the LightningModule, the callbacks, and the one path through training."""
