"""The task of finding digits on pages: its module, its loss, what it counts and what it shows."""
