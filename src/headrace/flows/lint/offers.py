"""What a step says about its component: is it there, is it built, does it offer that, does it take that."""

from __future__ import annotations

from headrace.flows.catalog import Catalog, Described, Offer, Selector, set_command
from headrace.flows.document import Document, Step
from headrace.flows.findings import Findings, clipped, nearest
from headrace.flows.lint import fields
from headrace.flows.lint.shape import at

__all__ = ["check"]


def check(document: Document, catalog: Catalog, findings: Findings) -> None:
    """Check each step against the component version it names."""
    for index, step in enumerate(document.steps):
        offer = _offer(index, step, catalog, findings)
        fields.check_grants(index, step, offer, findings)
        if offer is not None:
            fields.check(index, step, offer, findings)
            _unused(index, step, offer, findings)
            _guarded(document, step, offer, findings)


def _offer(index: int, step: Step, catalog: Catalog, findings: Findings) -> Offer | None:
    described = catalog.find(step.component, step.version)
    if described is None:
        _missing(index, step, catalog, findings)
        return None
    _credential(index, step, described, catalog, findings)
    _variables(index, step, described, catalog, findings)
    offer = described.offer(step.kind, step.function)
    if offer is None:
        _not_offered(index, step, described, findings)
    elif offer.deprecated:
        message = f"The {step.kind} `{step.component}/{step.function}` is deprecated"
        findings.warning(at(index, step.kind), "deprecated", message, clipped(offer.description, 120))
    return offer


def _missing(index: int, step: Step, catalog: Catalog, findings: Findings) -> None:
    """Say why there is no such component version."""
    name, state = step.component, catalog.state(step.component, step.version)
    if state is not None:
        _not_built(index, step, state, findings)
    elif name not in catalog.components():
        otherwise = f"push it first: headrace component push DIR --name {clipped(name)}"
        suggestion = nearest(name, catalog.components(), otherwise)
        findings.error(
            at(index, step.kind), "component-not-found", f"There is no component `{clipped(name)}`", suggestion
        )
    else:
        known = [one for one in catalog.selectors(name) if one != "latest" and catalog.state(name, one) == "ready"]
        message = f"Component `{name}` has no {_version(step.version)}"
        if step.version == "latest":
            message = f"Component `{name}` has no built version yet"
        suggestion = (
            f"there are {', '.join(map(str, known[-8:]))}" if known else f"see: headrace component versions {name}"
        )
        findings.error(_version_path(index, step), "version-not-found", message, suggestion)


def _not_built(index: int, step: Step, state: str, findings: Findings) -> None:
    which = "the newest version" if step.version == "latest" else _version(step.version)
    said = {"failed": "failed to build", "building": "is still being built", "pushed": "waits to be built"}
    message = f"{which[0].upper()}{which[1:]} of component `{step.component}` {said.get(state, 'is not built')}"
    see = f"see: headrace component log {step.component}"
    suggestion = see if state == "failed" else f"wait for it, or {see}"
    findings.error(_version_path(index, step), "not-built", message, suggestion)


def _not_offered(index: int, step: Step, described: Described, findings: Findings) -> None:
    other = "action" if step.kind == "trigger" else "trigger"
    path, name = at(index, step.kind), f"{step.component}/{step.function}"
    offered = [known for kind, known in described.offers if kind == step.kind]
    if (other, step.function) in described.offers:
        article = "an" if other == "action" else "a"
        findings.error(path, "offer-not-found", f"`{name}` is {article} {other}", f"write `{other}: {name}`")
        return
    listed = ", ".join(f"{step.component}/{known}" for known in offered[:8])
    suggestion = f"it has {listed}" if offered else f"it has no {step.kind}s"
    message = f"Component `{step.component}` has no {step.kind} `{clipped(step.function)}`"
    findings.error(path, "offer-not-found", message, nearest(step.function, offered, suggestion))


def _credential(index: int, step: Step, described: Described, catalog: Catalog, findings: Findings) -> None:
    """One is there when the component has use for it, is for that component, and exists."""
    path, known = at(index, "credential"), catalog.credentials()
    fitting = [name for name, component in known.items() if component == step.component]
    make = f"create one: headrace credential create NAME --component {step.component}"
    choice = f"there are {', '.join(fitting[:8])}" if fitting else make
    if step.credential is None:
        if described.credential_fields:
            findings.error(path, "credential-missing", f"Component `{step.component}` needs a credential", choice)
    elif not described.has_credentials:
        message = f"Component `{step.component}` takes no credential"
        findings.error(path, "no-credentials", message, "remove `credential`")
    elif step.credential not in known:
        message = f"There is no credential `{clipped(step.credential)}`"
        findings.error(path, "credential-not-found", message, nearest(step.credential, fitting, choice))
    elif step.credential not in fitting:
        message = f"Credential `{step.credential}` is for component `{known[step.credential]}`"
        findings.error(path, "credential-of-another", message, choice)
    elif step.credential in (doubts := catalog.doubts()):
        message = f"Credential `{step.credential}` is not good: {clipped(doubts[step.credential], 200)}"
        findings.warning(path, "credential-not-good", message, f"see `headrace credential show {step.credential}`")


def _variables(index: int, step: Step, described: Described, catalog: Catalog, findings: Findings) -> None:
    """What the component's code needs of its environment has a value."""
    for name in described.lacking(catalog.variables(step.component)):
        message = f"Component `{step.component}` needs the environment variable `{name}`, which is not set"
        findings.error(
            at(index, step.kind), "variable-missing", message, f"set it: {set_command(step.component, name)}"
        )


def _unused(index: int, step: Step, offer: Offer, findings: Findings) -> None:
    """Keys that do nothing on this kind of step."""
    used_as = "action" if step.kind == "action" else offer.trigger_type or "webhook"
    kind = "an action" if step.kind == "action" else f"a {used_as} trigger"
    blank = Step("", "action", "", "")
    for key, users in _USED_BY.items():
        if used_as not in users and getattr(step, key) != getattr(blank, key):
            report = findings.error if key == "reply" else findings.warning
            message = f"`{key}` does nothing on {kind}; it is for {' and '.join(dict.fromkeys(users.values()))}"
            report(at(index, key), "unused-key", message, f"remove `{key}`")


def _guarded(document: Document, step: Step, offer: Offer, findings: Findings) -> None:
    if document.leak_guard == "stop" and step.kind == "trigger" and (offer.trigger_type or "webhook") == "webhook":
        message = "`leak_guard` does nothing on a webhook trigger; it is for triggers that are called again and again"
        findings.warning("leak_guard", "unused-key", message, "remove `leak_guard`")


_TRIGGERS = {"polling": "triggers", "webhook": "triggers", "listener": "triggers"}
_QUEUES = {"action": "actions", "webhook": "webhook triggers"}
_USED_BY = {
    "reply": {"webhook": "webhook triggers"},
    "poll_interval": {"polling": "polling triggers", "listener": "listeners"},
    "quiet_after": _TRIGGERS,
    "call_max": _TRIGGERS,
    "concurrency": _QUEUES,
    "order": _QUEUES,
    "retry": _QUEUES,
    "queue_limit": _QUEUES,
}
"""Keys that are not for every step, and for which they are."""


def _version(selector: Selector) -> str:
    return f"revision {selector}" if isinstance(selector, int) else f"version {selector}"


def _version_path(index: int, step: Step) -> str:
    return at(index, step.kind if step.version == "latest" else "version")
