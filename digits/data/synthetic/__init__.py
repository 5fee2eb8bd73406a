"""Pictures that are drawn and composed, for a reader of what people really write."""
