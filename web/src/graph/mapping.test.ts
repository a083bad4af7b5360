import { describe, expect, it } from "vitest";
import { members, pathOf, withMember, withPath } from "@/graph/mapping";

const WHOLE = `{
  "customer": body.id, /* of, the {shop} */
  "total": $sum($steps.orders.body.lines.(price * qty)),
  'it''s': 1
}`;
const ORDER = `{
  "customer": body.id, /* of, the {shop} */
  "total": $sum(body.lines.(price * qty)),
  'note': "a, \\"b\\" }" & \`odd, name\`,
  "zip": $match(body.zip, /[,}]/)[0].match,
  "half": body.n / 2, "deep": {"a": [1, 2], "b": body.(x; y)}
}`;

describe("members", () => {
  it("are what the object is built of, whatever stands in them", () => {
    expect(members(ORDER)?.map(({ key, expression }) => [key, expression])).toEqual([
      ["customer", "body.id"],
      ["total", "$sum(body.lines.(price * qty))"],
      ["note", '"a, \\"b\\" }" & `odd, name`'],
      ["zip", "$match(body.zip, /[,}]/)[0].match"],
      ["half", "body.n / 2"],
      ["deep", '{"a": [1, 2], "b": body.(x; y)}'],
    ]);
  });

  it("of an empty object are none", () => {
    expect(members(" { } ")).toEqual([]);
  });

  it.each([
    "body",
    "",
    "{",
    '{"a": 1',
    '{"a" 1}',
    '{"a": (1]}',
    '{"a": 1}.b',
    '{"a": }',
    '{"a": 1, "a": 2}',
    "{body.key: 1}",
    '[{"a": 1}]',
    '{"a": "unended}',
    WHOLE,
  ])("are null for what is no plain object: %s", (expression) => {
    expect(members(expression)).toBeNull();
  });
});

describe("setting a member", () => {
  it("leaves every other character as it is", () => {
    const changed = withMember(ORDER, "total", "1 + 1");
    expect(changed).toBe(ORDER.replace("$sum(body.lines.(price * qty))", "1 + 1"));
  });

  it("adds at the end, written as the others are", () => {
    expect(withMember("", "a", "body.a")).toBe('{\n  "a": body.a\n}');
    expect(withMember('{"a": 1}', "b", "2")).toBe('{"a": 1, "b": 2}');
    expect(withMember('{\n    "a": 1\n}', "b", "2")).toBe('{\n    "a": 1,\n    "b": 2\n}');
  });

  it("takes an empty one away, and the object with the last", () => {
    expect(withMember('{"a": 1, "b": 2, "c": 3}', "b", " ")).toBe('{"a": 1, "c": 3}');
    expect(withMember('{\n  "a": 1,\n  "b": 2\n}', "a", "")).toBe('{\n  "b": 2\n}');
    expect(withMember('{"a": 1, "b": 2}', "b", "")).toBe('{"a": 1}');
    expect(withMember('{"a": 1}', "a", "")).toBe("");
    expect(withMember('{"a": 1}', "b", "")).toBe('{"a": 1}');
  });

  it("is not possible where there is no object", () => {
    expect(withMember("body", "a", "1")).toBeNull();
  });

  it("gives back what was set, for any order of setting", () => {
    const values: Record<string, string> = { a: "body.a", b: '"}, {"', c: "(1; 2)", d: "$x[a = 'b']" };
    for (const order of ["abcd", "dcba", "badc", "cadb"]) {
      const built = [...order].reduce((now, key) => withMember(now, key, values[key] ?? "") ?? "", "");
      expect(Object.fromEntries(members(built)?.map(({ key, expression }) => [key, expression]) ?? [])).toEqual(values);
    }
  });
});

describe("paths", () => {
  it.each([
    [["body", "customer", "email"], "body.customer.email"],
    [["body", "headers", "x-shop"], "body.headers.`x-shop`"],
    [["body", "lines", 0, "in"], "body.lines[0].`in`"],
  ] as const)("%j", (parts, path) => {
    expect(pathOf(parts)).toBe(path);
  });
});

it("writes members within members as deep as they stand", () => {
  const first = withPath('{\n  "a": 1\n}', ["b", "c"], "2");
  expect(first).toBe('{\n  "a": 1,\n  "b": {\n    "c": 2\n  }\n}');
  expect(withPath(first ?? "", ["b", "d"], "3")).toBe('{\n  "a": 1,\n  "b": {\n    "c": 2,\n    "d": 3\n  }\n}');
  expect(withPath(first ?? "", ["b", "c"], "")).toBe('{\n  "a": 1\n}');
});
