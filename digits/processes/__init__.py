"""Jobs in child processes, signals, cores, and claims of directories. No torch."""
