"""The look of a page: paper, print, things that lie on it, light, cameras, scanners and screens."""
