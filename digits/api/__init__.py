"""What `import digits` offers: the commands' work from Python, in scripts, threads and notebooks."""
