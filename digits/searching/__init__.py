"""A search for hyperparameters: Optuna draws the trials, processes of our own train them. No torch in this process.

`space` is what is drawn, `study` what is remembered, `trainers` the processes, `search` how they go together,
`progress` what is shown meanwhile; `figures`, `page` and `table` are what is shown afterwards.
"""
