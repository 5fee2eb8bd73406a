"""Pages composed of digits that are known, to train and to judge a detector on: written, lit, photographed."""
