import { describe, expect, it } from "vitest";
import {
  addStep,
  changed,
  freeId,
  insertStep,
  pasteSteps,
  read,
  removeStep,
  renameStep,
  setField,
  setKey,
  stepsIn,
  stepText,
} from "@/graph/document";

const TEXT = `# Orders go to the ERP.
flow: orders
type: real-time
steps:
  - id: orders # from the shop
    trigger: shop/new-order
    fields: {region: eu, since: 2024-01-01, zero: 01234, deep: {a: [1, two]}}
  - id: customer
    after: orders
    action: crm/find-customer
    when: 'body.blocked = false'
    input: |
      {"email": body.customer.email}
  - id: invoice
    after: [orders, customer]
    action: erp/create-invoice
    version: 1.4.0
`;

function ids(text: string): string[][] {
  return read(text)?.steps.map((step) => [step.id, ...step.after]) ?? [];
}

describe("reading", () => {
  it("gives steps with what they say", () => {
    const document = read(TEXT);
    expect(document).toMatchObject({ flow: "orders", type: "real-time" });
    expect(document?.steps[1]).toMatchObject({
      kind: "action",
      component: "crm",
      function: "find-customer",
      version: "latest",
      after: ["orders"],
      when: "body.blocked = false",
      input: '{"email": body.customer.email}\n',
    });
    expect(document?.steps[2]).toMatchObject({ version: "1.4.0", after: ["orders", "customer"], input: null });
  });

  it("takes for text what the server takes for text", () => {
    expect(read(TEXT)?.steps[0]?.fields).toEqual({
      region: "eu",
      since: "2024-01-01",
      zero: "01234",
      deep: { a: [1, "two"] },
    });
    const yaml = "flow: f\nsteps: [{id: a, trigger: x/y, fields: {a: yes, b: 0x1F, c: ~, d: 1e3, e: true, f: 1_000}}]";
    expect(read(yaml)?.steps[0]?.fields).toEqual({ a: "yes", b: "0x1F", c: null, d: 1000, e: true, f: "1_000" });
  });

  it("reads JSON, the other spelling", () => {
    expect(ids('{"flow": "f", "steps": [{"id": "a", "trigger": "x/y"}]}')).toEqual([["a"]]);
  });

  it.each(["", "steps: [", "flow: f", "a: 1\na: 2\nsteps: []", "[]", "steps: [text]"])("is null for %j", (text) => {
    expect(read(text)).toBeNull();
  });
});

describe("changing", () => {
  it("keeps comments and everything it does not touch", () => {
    const text = changed(TEXT, setKey("invoice", "note", "by hand"));
    expect(text).toContain("# Orders go to the ERP.");
    expect(text).toContain("- id: orders # from the shop");
    expect(changed(text, setKey("invoice", "note", ""))).toBe(changed(TEXT, () => {}));
  });

  it("writes text that looks like a number so that it stays text", () => {
    const text = changed(TEXT, setField("customer", "zip", "01234"));
    expect(read(text)?.steps[1]?.fields).toEqual({ zip: "01234" });
    const number = changed(TEXT, setField("customer", "zip", "1234"));
    expect(read(number)?.steps[1]?.fields).toEqual({ zip: "1234" });
    expect(read(changed(number, setField("customer", "zip", undefined)))?.steps[1]?.written).not.toHaveProperty(
      "fields",
    );
  });

  it("keeps expressions of several lines as they are", () => {
    const input = '{\n  "a": 1\n}\n';
    expect(read(changed(TEXT, setKey("invoice", "input", input)))?.steps[2]?.input).toBe(input);
  });

  it("adds behind, inserts between, and begins a flow", () => {
    expect(ids(changed(TEXT, addStep({ id: "log", kind: "action", uses: "log/write" }, "orders")))).toEqual([
      ["orders"],
      ["log", "orders"],
      ["customer", "orders"],
      ["invoice", "orders", "customer"],
    ]);
    expect(ids(changed(TEXT, insertStep({ id: "log", uses: "log/write" }, "orders")))).toEqual([
      ["orders"],
      ["log", "orders"],
      ["customer", "log"],
      ["invoice", "log", "customer"],
    ]);
    const begun = changed(
      "flow: f\ntype: real-time\nsteps: []\n",
      addStep({ id: "in", kind: "trigger", uses: "webhook/receive" }, null),
    );
    expect(begun).toBe("flow: f\ntype: real-time\nsteps:\n  - id: in\n    trigger: webhook/receive\n");
  });

  it("joins what a removed step held together", () => {
    expect(ids(changed(TEXT, removeStep("customer")))).toEqual([["orders"], ["invoice", "orders"]]);
  });

  it("renames a step where others come after it", () => {
    expect(ids(changed(TEXT, renameStep("orders", "shop")))).toEqual([
      ["shop"],
      ["customer", "shop"],
      ["invoice", "shop", "customer"],
    ]);
  });

  it("finds ids that are free and allowed", () => {
    const document = read(TEXT);
    if (document === null) throw new Error("unreadable");
    expect(freeId(document, "orders")).toBe("orders-2");
    expect(freeId(document, "9 new order!")).toBe("new-order-");
    expect(freeId(document, "")).toBe("step");
  });
});

describe("the clipboard", () => {
  it("holds a step as readable text, comments too", () => {
    expect(stepText(TEXT, "orders")).toBe(
      "- id: orders # from the shop\n  trigger: shop/new-order\n  fields: {region: eu, since: 2024-01-01, zero: 01234, deep: {a: [1, two]}}\n",
    );
    expect(stepsIn(stepText(TEXT, "customer"))?.[0]).toMatchObject({ id: "customer", after: "orders" });
  });

  it.each(["hello", "", "[1]", "a: b", "- {id: x}", "- ["])("with %j holds no steps", (text) => {
    expect(stepsIn(text)).toBeNull();
  });

  it("gives pasted steps ids of their own, after each other as they were", () => {
    const document = read(TEXT);
    const copied = stepsIn(TEXT);
    if (document === null || copied === null) throw new Error("unreadable");
    const { change, ids: got } = pasteSteps(document, copied, "invoice");
    expect(got).toEqual(["customer-2", "invoice-2"]);
    expect(ids(changed(TEXT, change)).slice(3)).toEqual([
      ["customer-2", "invoice"],
      ["invoice-2", "customer-2"],
    ]);
  });

  it("brings a whole flow into an empty one", () => {
    const empty = "flow: f\ntype: real-time\nsteps: []\n";
    const document = read(empty);
    const copied = stepsIn(TEXT);
    if (document === null || copied === null) throw new Error("unreadable");
    expect(ids(changed(empty, pasteSteps(document, copied, null).change))).toEqual(ids(TEXT));
  });
});
