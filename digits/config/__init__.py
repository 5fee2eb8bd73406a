"""What an experiment is, before any of it is built: keys, types, ranges, meanings. No torch.

`schema` describes every key, `check` finds all faults of a configuration at once, `instantiate` calls what a `_target_`
names, `trust` says what may be called for a file.
"""
