"""`python -m simulators` is `hub-sim`."""

from simulators.cli import main

main()
