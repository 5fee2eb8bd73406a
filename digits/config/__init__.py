"""The configuration of an experiment, before anything is built: keys, types, ranges, meanings. No torch.

`schema` describes every key, `check` finds all faults of a configuration at once, `instantiate` builds what a
`_target_` names, `trust` decides which classes a file may name.
"""
