"""The ``headrace`` command. One file per noun; everything goes through the API of a running server.

Exit codes: 0 done, 1 refused or failed (the reason and a next step are on stderr), 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line ``argv`` (default: the process's own) and return its exit code."""
    from headrace.cli.commands import app
    from headrace.errors import HeadraceError

    try:
        app(args=list(sys.argv[1:] if argv is None else argv), prog_name="headrace")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 1
    except HeadraceError as error:
        from headrace.cli.output import print_error

        print_error(error)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    return 0
