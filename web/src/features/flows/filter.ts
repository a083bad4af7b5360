import type { Flow } from "@/api/flows";
import { flowState } from "@/ui/flowState";

export interface Wanted {
  /** Words that are all in the flow's name, state or type. */
  words: string;
  /** Empty: any. */
  state: string;
  draft: boolean;
  newer: boolean;
}

/** Whether a flow is among those that somebody looks for. */
export function matches(flow: Flow, { words, state, draft, newer }: Wanted): boolean {
  const text = `${flow.name} ${flowState(flow)} ${flow.type} ${flow.has_draft ? "draft" : ""}`.toLowerCase();
  return (
    (state === "" || flowState(flow) === state) &&
    (!draft || flow.has_draft) &&
    (!newer || flow.outdated.length > 0) &&
    words
      .toLowerCase()
      .split(/\s+/)
      .every((word) => text.includes(word))
  );
}
