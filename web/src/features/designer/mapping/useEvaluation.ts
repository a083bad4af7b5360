import { useDebouncedValue } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { type Evaluated, expressions } from "@/api/expressions";
import type { Knowledge } from "@/features/designer/useKnowledge";

export interface Evaluation {
  /** What the server made of the expression as it was a moment ago; undefined: it has not said anything yet. */
  data: Evaluated | undefined;
  error: Error | null;
  /** The text that `data` is about. */
  of: string;
  /** The text is another one by now. */
  stale: boolean;
}

/** An expression on a sample, by the server's own engine, and whether that fits what the step takes. */
export function useEvaluation(expression: string, known: Knowledge, after: string[], takes: unknown): Evaluation {
  const [settled] = useDebouncedValue(expression, 250);
  const { message, steps } = known.sample;
  const result = useQuery(
    expressions.evaluate({
      expression: settled.trim() === "" ? "body" : settled,
      message,
      steps,
      takes: (takes as Record<string, unknown> | null | undefined) ?? null,
      gives: known.gives,
      after,
    }),
  );
  return {
    data: result.data,
    error: result.error,
    of: settled,
    stale: settled !== expression || result.isPlaceholderData,
  };
}
