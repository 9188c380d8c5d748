"""What measures speed, memory and quality; never part of the test run. `python -m benchmarks.run --help`."""
