"""Nets of the reader: the files that they come in, what those say of themselves, and what is not run."""
