"""`python -m service.cli`: the command `pagereel` where it is not installed."""

from service.cli import main

main()
