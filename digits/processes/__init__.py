"""A job in a process of its own, signals, cores, and who works in a directory. No torch."""
