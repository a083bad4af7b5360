import { Button } from "@mantine/core";
import { useTour } from "@/features/tour/tour";

/** Begins the tour to a first flow, or goes on with it. */
export function TakeTour() {
  const { on, begin } = useTour();
  return on ? null : (
    <Button variant="default" onClick={begin}>
      Show me, in three minutes
    </Button>
  );
}
