"""``python -m dashf_pyomo`` is the command line ``dashf``."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
