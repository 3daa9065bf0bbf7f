"""`python -m hullwise`."""

from hullwise.cli import main

if __name__ == "__main__":
    main()
