"""Loggers that keep a run elsewhere as well: W&B, MLflow."""
