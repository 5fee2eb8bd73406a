"""The description of a data set.

`describe`, `demonstrate` and `findings` measure it; `pictures` and `step_pictures` draw it; `page` makes the page.
"""
