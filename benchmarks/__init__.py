"""Programs that measure: `python -m benchmarks.NAME [--quick] [--json FILE]`.

Each prints the machine, a table with peers in the same run, and its goals, and exits with 0
when all goals are met, 1 otherwise.
"""

import os

# Numpy's BLAS shares small products out to threads that spin: where another program keeps a core busy,
# fitting a word took ten times as long with two of them as with one.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
