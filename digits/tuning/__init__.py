"""Hyperparameter search: Optuna samples the trials, separate processes train them. No torch in this process.

`space` defines the parameters, `study` and `storage` keep the trials, `worker` has the processes, `run` starts them,
`progress` shows the search while it runs; `table`, `plots` and `page` report it.
"""
