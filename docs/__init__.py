"""The documentation: its pages, and what generates the others."""
