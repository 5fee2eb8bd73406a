"""Searches for hyperparameters: their studies, and how these are shown. No torch."""
