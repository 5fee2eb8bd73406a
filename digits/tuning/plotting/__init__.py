"""A study's plots and its page."""
