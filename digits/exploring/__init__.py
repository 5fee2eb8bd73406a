"""The description of a data set.

`describe`, `neighbours`, `extremes`, `doubts` and `demonstrate` measure it, `findings` gathers that; `pictures`,
`example_pictures` and `step_pictures` draw it; `page` makes the page.
"""
