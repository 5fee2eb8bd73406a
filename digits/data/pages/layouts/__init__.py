"""Layouts: the content of a page and its places."""
