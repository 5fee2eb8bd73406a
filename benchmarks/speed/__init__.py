"""What a step, a training and a start cost."""
