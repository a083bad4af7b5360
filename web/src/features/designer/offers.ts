import type { Component, Offer } from "@/api/components";

export interface OfferGroup {
  component: Component;
  offers: Offer[];
}

/** What components offer of a kind, by component; those that are deprecated are not for new steps. */
export function offersOf(components: readonly Component[], kind: "trigger" | "action", search: string): OfferGroup[] {
  const words = search.toLowerCase().split(/\s+/);
  return components
    .filter((component) => !component.deprecated)
    .map((component) => ({
      component,
      offers: (kind === "trigger" ? component.triggers : component.actions)
        .filter((offer) => !offer.deprecated && words.every((word) => text(component, offer).includes(word)))
        .sort((one, other) => (other.order ?? 0) - (one.order ?? 0)),
    }))
    .filter((group) => group.offers.length > 0)
    .sort((one, other) => titleOf(one.component).localeCompare(titleOf(other.component)));
}

export function titleOf(component: Component): string {
  return component.title || component.name;
}

function text(component: Component, offer: Offer): string {
  const { name, title, description } = component;
  return `${name} ${title} ${description} ${offer.name} ${offer.title} ${offer.description}`.toLowerCase();
}
