"""One look for every plot."""
