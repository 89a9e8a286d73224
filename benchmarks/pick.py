"""Pick success and latency over objects x seeds x hands: `python benchmarks/pick.py --help`."""

import typer

from dexgrasp.cli.benchmark import benchmark

if __name__ == "__main__":
    typer.run(benchmark)
