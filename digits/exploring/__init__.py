"""A data set described.

Measured in `describe`, `demonstrate` and `findings`; drawn in `pictures` and `step_pictures`; written up in `page`.
"""
