import { describe, expect, it } from "vitest";
import { changed, type FlowDocument, read, removeSteps, renameStep, setField, setKey } from "@/graph/document";
import { stale } from "@/graph/stale";

const TEXT = `flow: orders
steps:
  - id: orders
    trigger: shop/look
  - id: customer
    after: orders
    action: crm/find
    fields: {level: gold, deep: {b: 1, a: [1, 2]}}
    input: '{"n": body.n}'
  - id: other
    after: orders
    action: crm/find
  - id: invoice
    after: [customer]
    action: erp/bill
`;

function steps(text: string): Record<string, unknown>[] {
  return doc(text).steps.map((step) => step.written);
}

function doc(text: string): FlowDocument {
  const found = read(text);
  if (found === null) throw new Error("unreadable");
  return found;
}

describe("what was learnt of a step", () => {
  it("counts while nothing before it was edited", () => {
    expect(stale(steps(TEXT), doc(TEXT), "invoice")).toBeNull();
  });

  it("does not mind names, notes, the order of keys, and how a step before is written", () => {
    let text = changed(TEXT, setKey("customer", "name", "Find them"));
    text = changed(text, setKey("customer", "concurrency", 4));
    text = text.replace("{level: gold, deep: {b: 1, a: [1, 2]}}", "{deep: {a: [1, 2], b: 1}, level: gold}");
    text = text.replace("after: [customer]", "after: customer");
    expect(stale(steps(TEXT), doc(text), "invoice")).toBeNull();
  });

  it.each([
    [setField("customer", "level", "silver"), "the fields of “customer” changed since"],
    [setKey("customer", "input", "body"), "the mapping of “customer” changed since"],
    [setKey("customer", "when", "body.n > 1"), "the condition of “customer” changed since"],
    [setKey("orders", "credential", "shop"), "the credential of “orders” changed since"],
    [setKey("customer", "version", 3), "the component version of “customer” changed since"],
    [setKey("customer", "action", "crm/search"), "“customer” does something else now"],
    [setKey("invoice", "after", "other"), "“invoice” comes after other steps now"],
    [renameStep("customer", "buyer"), "“buyer” was added since"],
  ])("is stale after an edit before it, and says which", (change, why) => {
    expect(stale(steps(TEXT), doc(changed(TEXT, change)), "invoice")).toBe(why);
  });

  it("is not stale after an edit beside it or after it", () => {
    const text = changed(changed(TEXT, setField("other", "x", 1)), setKey("invoice", "input", "body"));
    expect(stale(steps(TEXT), doc(text), "customer")).toBeNull();
  });

  it("says that the step is gone", () => {
    expect(stale(steps(TEXT), doc(changed(TEXT, removeSteps(["other"]))), "other")).toBe("“other” is gone");
  });
});
