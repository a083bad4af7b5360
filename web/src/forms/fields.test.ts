import { expect, it } from "vitest";
import { fieldsOf, missing } from "@/forms/fields";

const DESCRIPTOR = {
  actions: {
    send: {
      main: "send.js",
      fields: {
        body: { viewClass: "TextAreaView", label: "Body" },
        list: { viewClass: "SelectView", label: "List", model: "getLists", require: ["account"], order: 5 },
        kind: { viewClass: "SelectView", label: "Kind", model: { a: "An A", b: 1 }, required: true, order: 9 },
        odd: 7,
      },
    },
  },
};

it("are in the order that their component wants", () => {
  expect(fieldsOf(DESCRIPTOR, "action", "send").map((field) => field.name)).toEqual(["kind", "list", "body", "odd"]);
  expect(fieldsOf(DESCRIPTOR, "action", "send")[0]).toMatchObject({ required: true, model: { a: "An A", b: "b" } });
});

it("wait for those they need", () => {
  const [, list] = fieldsOf(DESCRIPTOR, "action", "send");
  if (list === undefined) throw new Error("no such field");
  expect(list.model).toBe("asked");
  expect(missing(list, {})).toEqual(["account"]);
  expect(missing(list, { account: "" })).toEqual(["account"]);
  expect(missing(list, { account: 0 })).toEqual([]);
});

it.each([null, [], {}, { triggers: 1 }, { actions: { send: { fields: [] } } }])("are none in %j", (descriptor) => {
  expect(fieldsOf(descriptor, "action", "send")).toEqual([]);
});
