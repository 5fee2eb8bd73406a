"""What a page is made of and seen by: paper, print, what lies on it, light, cameras, scanners and screens."""
