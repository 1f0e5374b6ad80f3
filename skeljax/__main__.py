"""``python -m skeljax`` is ``skeljax``."""

from skeljax.cli import main

if __name__ == "__main__":
    main()
