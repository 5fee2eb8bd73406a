"""The scripts behind every figure that is quoted: they record what they measure, `python -m benchmarks` writes it."""
