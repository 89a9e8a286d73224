"""`python -m dexgrasp` is the `dexgrasp` command."""

from dexgrasp.cli import main

main()
