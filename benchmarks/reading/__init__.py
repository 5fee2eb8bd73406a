"""What the reader reads, on pages made here."""
