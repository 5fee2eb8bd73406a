"""A trained net asked and judged, alone or in an ensemble."""
