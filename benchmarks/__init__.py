"""The scripts behind every figure that is quoted anywhere, and `RESULTS.md`, which they write."""
