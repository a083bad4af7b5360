import type { Mistake } from "@/api/problem";
import type { FlowDocument } from "@/graph/document";

export interface Placed extends Mistake {
  /** The step it is in; null: the flow's own keys. */
  step: string | null;
  /** The key of the step, or of a field as `fields.url`; empty for the whole step. */
  key: string;
}

/** Mistakes with the steps they are in. The server counts steps as they are written: `steps[1].fields.url`. */
export function placed(mistakes: readonly Mistake[], document: FlowDocument | null): Placed[] {
  return mistakes.map((mistake) => {
    const found = /^steps\[(\d+)\]\.?(.*)$/.exec(mistake.path);
    const step = found === null ? undefined : document?.steps[Number(found[1])];
    return { ...mistake, step: step?.id ?? null, key: step === undefined ? mistake.path : (found?.[2] ?? "") };
  });
}
