"""Started by path inside a component's environment, which knows nothing of this folder: find it first."""

import sys

sys.path.append(__file__.removesuffix("/headrace_host/__main__.py"))

from headrace_host.run import main

if __name__ == "__main__":
    main()
