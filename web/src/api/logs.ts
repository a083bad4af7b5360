import { Offline, Problem } from "@/api/problem";

export interface LogLine {
  /** Counts the lines of one reading, from 0. */
  number: number;
  at: number;
  step: string;
  level: string;
  text: string;
}

/** Follow a flow's log from its last lines on, until `signal` is aborted. Throws `Problem` or `Offline`. */
export async function followLog(
  flow: string,
  filter: { step?: string; level: string },
  heard: (lines: LogLine[]) => void,
  signal: AbortSignal,
): Promise<void> {
  const query = new URLSearchParams({ tail: "200", follow: "true", level: filter.level });
  if (filter.step) query.set("step", filter.step);
  const response = await fetch(`/api/v1/flows/${flow}/logs?${query}`, { signal, credentials: "same-origin" }).catch(
    (error: unknown) => {
      throw signal.aborted ? error : new Offline(error);
    },
  );
  if (!response.ok) throw new Problem(response.status, await response.json().catch(() => ({})));
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let number = 0;
  for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
    const lines = (rest + part.value).split("\n");
    rest = lines.pop() ?? "";
    heard(
      lines.filter(Boolean).map((line) => ({ ...(JSON.parse(line) as Omit<LogLine, "number">), number: number++ })),
    );
  }
}
