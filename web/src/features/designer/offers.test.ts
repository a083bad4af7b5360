import { expect, it } from "vitest";
import type { Component, Offer } from "@/api/components";
import { offersOf } from "@/features/designer/offers";

function offer(name: string, more: Partial<Offer> = {}): Offer {
  return { name, title: "", description: "", type: null, help: null, order: 0, deprecated: false, ...more };
}

function component(name: string, actions: Offer[], more: Partial<Component> = {}): Component {
  return { name, title: "", description: "", deprecated: false, triggers: [], actions, ...more } as Component;
}

const ALL = [
  component("shop", [offer("list"), offer("order", { order: 9 }), offer("old", { deprecated: true })]),
  component("crm", [offer("find", { title: "Find a customer" })], { title: "Customers" }),
  component("gone", [offer("find")], { deprecated: true }),
];

const names = (search: string) => offersOf(ALL, "action", search).map((each) => each.offers.map(({ name }) => name));

it("groups by component, in the order that people read and components want", () => {
  expect(names("")).toEqual([["find"], ["order", "list"]]);
  expect(offersOf(ALL, "trigger", "")).toEqual([]);
});

it("finds by every word, in names, titles and texts", () => {
  expect(names("customer FIND")).toEqual([["find"]]);
  expect(names("shop ord")).toEqual([["order"]]);
  expect(names("nothing")).toEqual([]);
});
