"""A search for hyperparameters: Optuna draws the trials, processes of our own train them. No torch in this process.

`space` is what is drawn, `study` and `storage` what is remembered, `worker` the processes, `search` how they go
together, `progress` what is shown meanwhile; `table`, `plots` and `page` are what is shown afterwards.
"""
