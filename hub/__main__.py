"""`python -m hub` is the console script `hub`."""

from hub.cli import main

main()
