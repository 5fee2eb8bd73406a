"""The shared style of all plots and pages: colours, matplotlib's settings, HTML pages."""
