import { Button } from "@mantine/core";
import { useTour } from "@/features/tour/tour";

/** Begins the tour to a first flow, or goes on with it; `begun`: only that. */
export function TakeTour({ begun = false }: { begun?: boolean }) {
  const { on, flow, begin } = useTour();
  if (begun && flow === null) return null;
  return on ? null : (
    <Button variant="default" onClick={begin}>
      {flow === null ? "Show me, in three minutes" : "Go on with the tour"}
    </Button>
  );
}
