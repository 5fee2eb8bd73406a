"""From argv and conf/ to one validated Experiment: the only room that knows Hydra. No torch."""
