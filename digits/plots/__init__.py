"""One look for every plot and page: its colours, matplotlib's settings, and the maker of pages."""
