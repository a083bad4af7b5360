import { Code } from "@mantine/core";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { type ComponentVersion, components } from "@/api/components";
import { Refusal } from "@/ui/Refusal";

/** What the build says; it grows while the version is built, and stays at its end unless somebody scrolls up. */
export function BuildLog({ version }: { version: ComponentVersion }) {
  const log = useQuery({ ...components.log(version), placeholderData: keepPreviousData });
  const place = useRef<HTMLElement>(null);
  const atEnd = useRef(true);
  // biome-ignore lint/correctness/useExhaustiveDependencies: it scrolls when there is more
  useEffect(() => {
    if (atEnd.current && place.current !== null) place.current.scrollTop = place.current.scrollHeight;
  }, [log.data]);
  if (log.error) return <Refusal error={log.error} onRetry={() => void log.refetch()} />;
  return (
    <Code
      block
      ref={place as never}
      style={{ maxHeight: 360, overflow: "auto" }}
      tabIndex={0}
      role="log"
      aria-label="Build log"
      onScroll={({ currentTarget: { scrollTop, clientHeight, scrollHeight } }) => {
        atEnd.current = scrollTop + clientHeight > scrollHeight - 24;
      }}
    >
      {log.data ?? "…"}
    </Code>
  );
}
