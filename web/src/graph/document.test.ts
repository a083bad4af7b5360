import { describe, expect, it } from "vitest";
import {
  addStep,
  canFollow,
  changed,
  disableSteps,
  freeId,
  insertStep,
  joinStep,
  partStep,
  pasteSteps,
  read,
  removeSteps,
  renameStep,
  setField,
  setKey,
  stepsIn,
  stepsText,
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
    expect(ids(changed(TEXT, removeSteps(["customer"])))).toEqual([["orders"], ["invoice", "orders"]]);
  });

  it("leaves everything else as somebody wrote it, however they indent and quote", () => {
    const own = [
      "# A flow",
      "flow:   orders   # aligned",
      "",
      "",
      "steps:",
      "- id:       hook",
      "  trigger:  'webhook/receive'",
      "  fields:   { a: 1,",
      '              b: "two" }',
      "",
      "# Writes it down.",
      "- id:       note",
      "  after:    hook     # only one",
      "  action:   log/write",
      "  input: >-",
      '     {"message":',
      "     body.message}",
      "",
    ].join("\n");
    const noted = changed(own, setKey("note", "note", "by hand"));
    expect(noted).toBe(own.replace("body.message}\n", "body.message}\n  note: by hand\n"));
    expect(changed(noted, setKey("note", "note", null))).toBe(own);
    const windows = own.replaceAll("\n", "\r\n");
    expect(changed(windows, setKey("hook", "note", "x"))).toBe(
      windows.replace('b: "two" }\r\n', 'b: "two" }\r\n  note: x\r\n'),
    );
  });

  it("inserts on one way only", () => {
    expect(ids(changed(TEXT, insertStep({ id: "log", uses: "log/write" }, "orders", "invoice")))).toEqual([
      ["orders"],
      ["log", "orders"],
      ["customer", "orders"],
      ["invoice", "log", "customer"],
    ]);
  });

  it("joins and parts ways, and makes no circle", () => {
    const steps = read(TEXT)?.steps ?? [];
    expect(canFollow(steps, "customer", "orders")).toBe(false);
    expect(canFollow(steps, "orders", "customer")).toBe(false);
    expect(canFollow(steps, "invoice", "customer")).toBe(false);
    expect(canFollow(steps, "invoice", "invoice")).toBe(false);
    expect(canFollow(steps, "nowhere", "invoice")).toBe(false);
    const parted = changed(TEXT, partStep("orders", "invoice"));
    expect(ids(parted)[2]).toEqual(["invoice", "customer"]);
    expect(canFollow(read(parted)?.steps ?? [], "orders", "invoice")).toBe(true);
    expect(ids(changed(parted, joinStep("orders", "invoice")))[2]).toEqual(["invoice", "customer", "orders"]);
  });

  it("disables and enables steps", () => {
    const text = changed(TEXT, disableSteps(["customer", "invoice"], true));
    expect(read(text)?.steps.map((step) => step.disabled)).toEqual([false, true, true]);
    expect(changed(text, disableSteps(["customer", "invoice"], false))).toBe(TEXT);
  });

  it("renames a step where expressions name it", () => {
    const text = TEXT.replace("{email", "{email").replace("body.blocked = false", "$steps.orders.body.blocked = false");
    const renamed = changed(text, renameStep("orders", "web-shop"));
    expect(renamed).toBe(
      text
        .replace("id: orders #", "id: web-shop #")
        .replace("after: orders", "after: web-shop")
        .replace("[orders,", "[web-shop,")
        .replace("$steps.orders.", "$steps.`web-shop`."),
    );
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
  const document = (text: string) => {
    const found = read(text);
    if (found === null) throw new Error("unreadable");
    return found;
  };
  const copy = (text: string, ...ids: string[]) => {
    const found = stepsIn(ids.length > 0 ? stepsText(text, new Set(ids)) : text);
    if (found === null) throw new Error("no steps");
    return found;
  };

  it("holds steps as readable text, comments too", () => {
    expect(stepsText(TEXT, new Set(["orders"]))).toBe(
      "- id: orders # from the shop\n  trigger: shop/new-order\n  fields: {region: eu, since: 2024-01-01, zero: 01234, deep: {a: [1, two]}}\n",
    );
    expect(copy(TEXT, "customer", "orders").steps.map((step) => step.id)).toEqual(["orders", "customer"]);
  });

  it.each(["hello", "", "[1]", "a: b", "- {id: x}", "- [", "steps: 1", "[]"])("with %j holds no steps", (text) => {
    expect(stepsIn(text)).toBeNull();
  });

  it("keeps comments of what is pasted", () => {
    const { change } = pasteSteps(document("flow: f\nsteps: []\n"), copy(TEXT, "orders"), null);
    expect(changed("flow: f\nsteps: []\n", change)).toContain("- id: orders # from the shop");
  });

  it("copies what an alias stands for", () => {
    const shared =
      "flow: f\nsteps:\n  - {id: a, trigger: x/y, fields: &f {k: 1}}\n  - {id: b, after: a, action: x/z, fields: *f}\n";
    expect(copy(shared, "b").steps[0]).toMatchObject({ fields: { k: 1 } });
  });

  it("gives pasted steps ids of their own, after each other and naming each other as they were", () => {
    const text = TEXT.replace("version: 1.4.0", "input: $steps.customer.body & $steps.orders.body");
    const { change, ids: got } = pasteSteps(document(text), copy(text), "invoice");
    expect(got).toEqual(["customer-2", "invoice-2"]);
    const pasted = changed(text, change);
    expect(pasted.startsWith(text)).toBe(true);
    expect(ids(pasted).slice(3)).toEqual([
      ["customer-2", "invoice"],
      ["invoice-2", "customer-2"],
    ]);
    expect(read(pasted)?.steps[4]?.input).toBe("$steps.`customer-2`.body & $steps.orders.body");
  });

  it("duplicates steps where they are", () => {
    const { change } = pasteSteps(document(TEXT), copy(TEXT, "customer", "invoice"), "invoice", true);
    expect(ids(changed(TEXT, change)).slice(3)).toEqual([
      ["customer-2", "orders"],
      ["invoice-2", "customer-2", "orders"],
    ]);
  });

  it("brings a whole flow into an empty one", () => {
    const empty = "flow: f\ntype: real-time\nsteps: []\n";
    expect(ids(changed(empty, pasteSteps(document(empty), copy(TEXT), null).change))).toEqual(ids(TEXT));
  });
});
