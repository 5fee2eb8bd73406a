"""What a net reads of corrupted and foreign pictures."""
