"""The detection task, finding digits on pages: its module, loss, metrics and plots."""
