import { Paper } from "@mantine/core";
import { useEffect, useState } from "react";
import { useSaying } from "@/ui/say";

const SHOWN_FOR = 5_000;

/** Says at the lower edge what happened last, for a while. */
export function Sayings() {
  const { text, number } = useSaying();
  const [ended, setEnded] = useState(0);
  useEffect(() => {
    const timer = setTimeout(() => setEnded(number), SHOWN_FOR);
    return () => clearTimeout(timer);
  }, [number]);
  const shown = number > ended ? text : "";
  return (
    <div className="sayings" role="status" aria-label="What happened">
      {shown !== "" && (
        <Paper key={number} withBorder shadow="md" px="md" py="xs" fz="sm">
          {shown}
        </Paper>
      )}
    </div>
  );
}
