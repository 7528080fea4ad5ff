"""`python -m kernelws.cli` is `jupyter kernelws`."""

import sys

from . import main

if __name__ == "__main__":
    sys.exit(main())
