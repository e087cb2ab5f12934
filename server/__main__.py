"""Run the command line: python -m server is the same as bytereel."""

from server.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
