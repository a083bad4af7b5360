from __future__ import annotations

from headrace.components.npm import _Lines

STALE = """\
npm error code EUSAGE
npm error
npm error `npm ci` can only install packages when your package.json and package-lock.json are in sync.
npm error
npm error Missing: q@1.5.1 from lock file
npm error
npm error Clean install a project
npm error
npm error Usage:
npm error npm ci
npm error
npm error Options:
npm error [--install-strategy <hoisted|nested|shallow|linked>] [--legacy-bundling]
npm error   --omit
npm error     Dependency types to omit from the installation tree on disk.
npm error
npm error aliases: clean-install, ic, install-clean, isntall-clean
npm error
npm error Run "npm help ci" for more info
npm error Log files were not written due to the config logs-max=0
"""


class Told:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def output(self, text: str) -> None:
        self.lines.append(text)


def test_the_log_has_what_npm_found_and_not_its_manual() -> None:
    told = Told()
    lines = _Lines(told)  # type: ignore[arg-type]
    for line in STALE.splitlines():
        lines.output(line)
    assert lines.codes == {"EUSAGE"}
    assert told.lines == [
        "npm error code EUSAGE",
        "npm error `npm ci` can only install packages when your package.json and package-lock.json are in sync.",
        "npm error Missing: q@1.5.1 from lock file",
        "npm error Clean install a project",
    ]
