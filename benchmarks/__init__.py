"""Programs that measure: `python -m benchmarks.NAME [--quick] [--json FILE]`.

Each prints the machine, a table with peers in the same run, and its goals, and exits with 0
when all goals are met, 1 otherwise.
"""
