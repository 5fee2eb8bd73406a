"""The functions of `import digits`: the commands from Python, in scripts, threads and notebooks."""
