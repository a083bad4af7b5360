import type { components } from "@/api/schema";

export type Option = components["schemas"]["OptionView"];

const GROUPS: { title: string; has: (option: Option) => boolean }[] = [
  { title: "Retention", has: ({ name }) => /keep|journal_bytes|object_bytes/.test(name) },
  { title: "Limits", has: ({ name, kind }) => kind === "size" || /limit|within|timeout|concurrency/.test(name) },
  { title: "Everything else", has: () => true },
];

/** Options by what people look for; each in the first group that has it. */
export function grouped(options: readonly Option[]): { title: string; options: Option[] }[] {
  const groups = GROUPS.map(({ title }) => ({ title, options: [] as Option[] }));
  for (const option of options) groups[GROUPS.findIndex((group) => group.has(option))]?.options.push(option);
  return groups.filter((group) => group.options.length > 0);
}
