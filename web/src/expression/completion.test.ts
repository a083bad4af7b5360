import { expect, it } from "vitest";
import { completion, joined, pathBefore } from "@/expression/completion";
import type { Scope } from "@/expression/scope";

const SCOPE: Scope = {
  message: {
    body: {
      value: { customer: { email: "a@b.c", "first name": "Ada" }, lines: [{ price: 2, qty: 1 }] },
      schemas: [{ properties: { coupon: { type: "string", title: "Coupon" }, customer: { properties: { age: {} } } } }],
    },
    headers: { value: { "x-shop": "eu" }, schemas: [] },
  },
  steps: { order: { body: { value: { id: 7 }, schemas: [] } }, "my-step": { body: { schemas: [] } } },
};

/** What is offered at the `|`. */
function offered(text: string, scope = SCOPE) {
  const at = text.indexOf("|");
  return completion(text.replace("|", ""), at, scope);
}

function labels(text: string): string[] {
  return (offered(text)?.offers ?? []).filter((each) => each.kind !== "function").map((each) => each.label);
}

it.each([
  ["body.|", ["customer", "lines", "coupon"]],
  ["body.customer.|", ["email", "first name", "age"]],
  ["$uppercase(body.customer.em|", ["email", "first name", "age"]],
  ["body.lines.|", ["price", "qty"]],
  ["body.lines[0].|", ["price", "qty"]],
  ["body.lines[price > 1].|", ["price", "qty"]],
  ["$sum(body.lines.(price * |", ["price", "qty", "body", "headers", "$steps"]],
  ["body.lines[|", ["price", "qty", "body", "headers", "$steps"]],
  ['body.lines.{"p": |', ["price", "qty", "body", "headers", "$steps"]],
  ["$steps.|", ["order", "my-step"]],
  ["$steps.order.|", ["body"]],
  ["$steps.order.body.|", ["id"]],
  ['{"a": |', ["body", "headers", "$steps"]],
  ["|", ["body", "headers", "$steps"]],
  ["body.nothing.|", []],
  ["body.customer |", ["body", "headers", "$steps"]],
])("offers what may stand at %s", (text, expected) => {
  expect(labels(text)).toEqual(expected);
});

it.each(['"body.|"', "'body.|", "/* body.| */", "42.|"])("offers nothing within %s", (text) => {
  expect(offered(text)).toBeNull();
});

it("writes names in backquotes where they need them", () => {
  const texts = offered("body.customer.|")?.offers.map((each) => each.text);
  expect(texts).toContain("`first name`");
  expect(offered("$steps.|")?.offers.map((each) => each.text)).toContain("`my-step`");
});

it("says what is only in the schema", () => {
  const coupon = offered("body.|")?.offers.find((each) => each.label === "coupon");
  expect(coupon).toMatchObject({ detail: "string", info: "Coupon, not in the sample" });
});

it("offers functions with what they take, and puts the cursor between the brackets", () => {
  const sum = offered("$su|")?.offers.find((each) => each.label === "$sum");
  expect(sum).toMatchObject({ text: "$sum()", back: 1, detail: "(list) → number" });
  expect(offered("$su|")?.from).toBe(0);
});

it("offers the values that a field allows", () => {
  expect(offered("|", { ...SCOPE, values: ['"eu"'] })?.offers[0]).toMatchObject({ text: '"eu"', kind: "value" });
});

it.each([
  ["$steps.a.body.lines[0].price", ["$steps", "a", "body", "lines", "price"]],
  ["body.`first name`", ["body", "first name"]],
  ["body.lines.(price", ["body", "lines", "price"]],
  ["$f(1).x", null],
  ["$v.x", null],
])("finds the path before the end of %s", (text, path) => {
  expect(pathBefore(text, text.length)).toEqual(path);
});

it.each([
  ["", "body.a"],
  ["$sum(", "body.a"],
  ["body.b", " & body.a"],
  ['"x" ', " & body.a"],
  ["1 + ", "body.a"],
])("joins what is picked to %s", (before, text) => {
  expect(joined(before, "body.a")).toBe(text);
});
