"""The environment of hosts that no flow has: those that a build tries and those that are asked while one designs."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from headrace.control.object_token import ObjectTokens
from headrace.flows.catalog import Offer
from headrace.flows.environment import of_design
from headrace.settings import Settings
from headrace.store.components import ComponentVersion
from headrace.store.flows import WORKSPACE

__all__ = ["for_design"]


def for_design(
    settings: Settings, version: ComponentVersion, variables: Mapping[str, str]
) -> Callable[[Offer], dict[str, str]]:
    """By the offer that the host loads; ``variables`` are what people set for the component.

    The key in there is good for nothing, and says so: objects are a flow's.
    """
    token = ObjectTokens.kept_in(settings.object_key_file).issue_for_design()

    def environment(offer: Offer) -> dict[str, str]:
        return {
            **variables,
            **of_design(
                version.component,
                version.revision,
                offer.name,
                workspace=WORKSPACE,
                storage_url=f"{settings.url}/storage",
                storage_token=token,
            ),
        }

    return environment
