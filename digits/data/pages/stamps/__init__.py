"""Stamps of ink that are put on a page, by hand or in print: digits, letters, signs and words."""
