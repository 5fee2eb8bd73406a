"""Faults that really happen to a training run, and the question whether it ends as if they had not.

`matrix` names the configurations, `plant` makes a process harm itself at a chosen moment, `storage` takes its disk
away, `start` runs the real command, `trial` leads one run through its faults to its end, `outcome` compares what it
came to with a run that was left alone. `benchmarks.reliability` does it hundreds of times,
`tests/commands/test_faults.py` a few times.
"""
