"""`python -m batchrun`."""

from batchrun.cli.entry import main

main()
