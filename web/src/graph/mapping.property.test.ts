import fc from "fast-check";
import { expect, it } from "vitest";
import { members, valueAt, withMember, withPath } from "@/graph/mapping";

const SPACE = fc.constantFrom("", " ", "\n  ", "\t", " /* a, } note */ ");
const KEY = fc.string({ maxLength: 6 });

/** Expressions that hold what splits and closes members elsewhere. */
const VALUE: fc.Arbitrary<string> = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }).map((value) => JSON.stringify(value)),
  fc.constantFrom(
    "body.a",
    "body.`x, }`",
    "$sum(body.lines.(price * qty))",
    "body.list[kind = 'a,}']",
    "$replace(body.a, /[,}\"]+/, '')",
    "body.a / 2",
    "($x := 1; $x + 1)",
    "function($v) { $v.a }",
    "body.{'k': v, \"l\": w}",
    "'it\\'s, }'",
  ),
);

const MEMBER = fc.record({ key: KEY, value: VALUE, before: SPACE, between: SPACE, after: SPACE });
const MEMBERS = fc.uniqueArray(MEMBER, { selector: (each) => each.key, maxLength: 5 });
type Written = { key: string; value: string; before: string; between: string; after: string };

function text(all: Written[]): string {
  return `{${all.map((each) => `${each.before}${JSON.stringify(each.key)}:${each.between}${each.value}${each.after}`).join(",")}}`;
}

const found = (expression: string) => members(expression)?.map(({ key, expression: value }) => [key, value]);
const meant = (all: Written[]) => all.map(({ key, value }) => [key, value]);

it("finds every member as it is written, whatever stands in and between them", () => {
  fc.assert(
    fc.property(MEMBERS, (all) => {
      expect(found(text(all))).toEqual(meant(all));
    }),
  );
});

it("puts members back where they stand: going there and back changes no character", () => {
  fc.assert(
    fc.property(MEMBERS, (all) => {
      const whole = text(all);
      for (const { key, expression } of members(whole) ?? []) expect(withMember(whole, key, expression)).toBe(whole);
    }),
  );
});

it("changes one member and no character of the others", () => {
  fc.assert(
    fc.property(MEMBERS, fc.nat(), VALUE, (all, which, value) => {
      fc.pre(all.length > 0);
      const at = which % all.length;
      const changed = all.map((each, index) => (index === at ? { ...each, value } : each));
      expect(withMember(text(all), all[at]?.key ?? "", value)).toBe(text(changed));
    }),
  );
});

it("adds a member behind the others, and takes it away again", () => {
  fc.assert(
    fc.property(MEMBERS, KEY, VALUE, (all, key, value) => {
      fc.pre(!all.some((each) => each.key === key));
      const added = withMember(text(all), key, value) ?? "";
      expect(found(added)).toEqual([...meant(all), [key, value]]);
      expect(found(withMember(added, key, "") || "{}")).toEqual(meant(all));
    }),
  );
});

it("sets members within members, and leaves those beside them", () => {
  const path = fc.array(KEY, { minLength: 1, maxLength: 3 });
  fc.assert(
    fc.property(MEMBERS, path, VALUE, (all, keys, value) => {
      fc.pre(!all.some((each) => each.key === keys[0]));
      const changed = withPath(text(all), keys, value) ?? "";
      expect(valueAt(changed, keys)).toBe(value);
      expect(found(changed)?.slice(0, all.length)).toEqual(meant(all));
    }),
  );
});
