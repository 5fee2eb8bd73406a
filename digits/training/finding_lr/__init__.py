"""The search for a learning rate before the training, `trainer.find_lr`."""
