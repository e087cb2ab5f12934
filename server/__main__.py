"""Run the command line: python -m server is the same as bytereel."""

from server.interrupts import ending_at_once


def main() -> int:
    """Run the command; Ctrl-C ends it without a word from the first moment on."""
    with ending_at_once():
        from server import cli
    return cli.main()


if __name__ == "__main__":
    raise SystemExit(main())
