"""Programs that measure: `python -m benchmarks.NAME [--quick] [--json FILE]`.

Each prints the machine, tables with its peers in the same run, and its goals, and exits with 0
when all that are required are met, 1 otherwise; where something it can't do without is missing, with the
error's own code, 3 for a device or a library. Two differ, and know no `--quick`: `ablations`
trains the nets it compares, `machines` only tables what `rtaudio bench` once measured elsewhere.
"""

import os

# Numpy's BLAS shares small products out to threads that spin: where another program keeps a core busy,
# fitting a word took ten times as long with two of them as with one.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
