"""Generated images: drawn digits, altered digits and non-digits, for a reader of real handwriting."""
