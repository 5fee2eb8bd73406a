"""What is put on a page by hand or in print: digits, letters, signs and words, each a stamp of ink."""
