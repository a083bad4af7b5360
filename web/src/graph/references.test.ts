import { expect, it } from "vitest";
import { renamedReferences } from "@/graph/references";

const NAMES = new Map([
  ["orders", "shop"],
  ["my-step", "plain"],
  ["plain_2", "with-hyphen"],
]);

it.each([
  ["$steps.orders.body.id", "$steps.shop.body.id"],
  ["$steps . orders.body", "$steps . shop.body"],
  ["$steps.`my-step`.body", "$steps.plain.body"],
  ["$steps.plain_2", "$steps.`with-hyphen`"],
  ['$steps."orders".body', "$steps.shop.body"],
  ["$steps./* the shop's */orders.body", "$steps./* the shop's */shop.body"],
  ["$sum($steps.orders.body.lines.(price * qty)) / 2", "$sum($steps.shop.body.lines.(price * qty)) / 2"],
  ['$match(body, /"/) & $steps.orders.x & "a"', '$match(body, /"/) & $steps.shop.x & "a"'],
  ["body.a / 2 & $steps.orders.b / 3", "body.a / 2 & $steps.shop.b / 3"],
])("renames in %j", (source, wanted) => {
  expect(renamedReferences(source, NAMES)).toBe(wanted);
});

it.each([
  "$steps.ordersplus.body",
  "$mysteps.orders",
  "body.orders",
  "body.steps.orders",
  '"$steps.orders"',
  "/* $steps.orders */ 1",
  "$steps.other.orders",
  "$steps.*",
  "unfinished '$steps.orders",
  "$steps.`orders",
  "",
])("leaves %j as it is", (source) => {
  expect(renamedReferences(source, NAMES)).toBe(source);
});
