import { expect, it } from "vitest";
import { grouped, type Option } from "@/features/settings/options";

const option = (name: string, kind = "text"): Option => ({ name, kind, value: "", default: "", description: "" });

it("puts each option into one group", () => {
  const all = [
    option("journal_keep", "duration"),
    option("message_limit", "size"),
    option("host"),
    option("step_memory", "size"),
  ];
  expect(grouped(all).map(({ title, options }) => [title, options.map((each) => each.name)])).toEqual([
    ["Retention", ["journal_keep"]],
    ["Limits", ["message_limit", "step_memory"]],
    ["Everything else", ["host"]],
  ]);
});
