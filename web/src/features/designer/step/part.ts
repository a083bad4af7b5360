import type { Placed } from "@/features/designer/mistakes";
import type { Change, FlowDocument, Step } from "@/graph/document";

/** What each part of the step panel gets. */
export interface PartProps {
  document: FlowDocument;
  step: Step;
  mistakes: Placed[];
  readOnly: boolean;
  onChange: (change: Change, group?: string) => void;
}

/** What lint says of a key, to be shown where it is typed, with what to do; commands are for terminals. */
export function mistakeAt(mistakes: readonly Placed[], key: string): string | null {
  const found = mistakes.find((each) => each.key === key);
  if (found === undefined) return null;
  const isCommand = found.suggestion?.includes("headrace ");
  return found.suggestion && !isCommand ? `${found.message}: ${found.suggestion}` : found.message;
}
