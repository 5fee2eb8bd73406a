"""From argv and conf/ to one validated Experiment: the only room that runs and composes with Hydra. No torch."""
