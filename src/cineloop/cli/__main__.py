"""`python -m cineloop.cli`."""

from cineloop.cli import main

if __name__ == "__main__":
    main()
