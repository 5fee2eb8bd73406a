"""Runs, a sweep and a search that an earlier commit left: what is read back must stay readable.

Made once by `make.py`, by commit 5fcbf55, and not to be made again: that today's code reads what today's code writes is
tested everywhere else. They name what existed then: `_target_`s, the keys of callbacks' states in checkpoints, weights
of an averaged model (`averaged.module.`), fields of `result.json`, `model.json`, `search.json` and of the study.

    cut/            interrupted by SIGTERM in the middle of its third epoch of four; dashboard, early stopping, loggers
    done/           done, with an average of its weights and both checkpoints
    sweep/          four jobs, one of them killed by SIGKILL after its second epoch
    outputs/tune/small/  a search of five trials, of which some were pruned; one is kept whole
    folder/         trained on pictures/, a folder of the classes 0, 1 and 7

They name no machine, and what nothing reads again (the search's page and pictures) is left out.
`commands/test_recorded_runs.py` takes them up again.
"""
