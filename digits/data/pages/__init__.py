"""Pages composed of labelled digits, to train and evaluate a detector on: written, lit, photographed."""
