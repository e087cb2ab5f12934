"""Run the command line: python -m server is the same as bytereel."""

import sys

from server.interrupts import ending_at_once, ignore_early_signals


def main() -> int:
    """Run the command; Ctrl-C ends it without a word from the first moment on."""
    if sys.argv[1:2] in (["serve"], ["demo"]):
        ignore_early_signals()
    with ending_at_once():
        from server import cli
    return cli.main()


if __name__ == "__main__":
    raise SystemExit(main())
