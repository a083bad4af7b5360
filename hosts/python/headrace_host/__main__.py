"""Started by path inside a component's environment, which knows nothing of this folder: find it first."""

import sys

_HERE = __file__.removesuffix("/__main__.py")

# Component code finds the SDK, last of all, but never the host's own modules, whose names it may well use itself.
sys.path[:] = [entry for entry in sys.path if entry != _HERE]
sys.path.append(_HERE.removesuffix("/headrace_host"))

from headrace_host.run import main  # noqa: E402

if __name__ == "__main__":
    main()
