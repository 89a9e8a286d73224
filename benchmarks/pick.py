"""`dexgrasp benchmark` as a script: `python benchmarks/pick.py --help`."""

import sys

from dexgrasp.cli import main

if __name__ == "__main__":
    sys.argv.insert(1, "benchmark")
    main()
