import { Offline, Problem } from "@/api/problem";

export interface LogLine {
  /** Counts the lines of one reading, from 0. */
  number: number;
  at: number;
  step: string;
  level: string;
  text: string;
  /** The execution it was written for; absent where nobody knows. */
  execution?: string;
}

export interface LogFilter {
  step: string;
  level: string;
  text: string;
}

/** Follow a flow's log from its last lines on, until `signal` is aborted. Throws `Problem` or `Offline`. */
export async function followLog(
  flow: string,
  filter: LogFilter,
  heard: (lines: LogLine[]) => void,
  signal: AbortSignal,
): Promise<void> {
  const query = new URLSearchParams({ tail: "200", follow: "true", level: filter.level });
  if (filter.step) query.set("step", filter.step);
  if (filter.text) query.set("text", filter.text);
  await readLog(`/api/v1/flows/${flow}/logs?${query}`, heard, signal);
}

async function readLog(path: string, heard: (lines: LogLine[]) => void, signal: AbortSignal): Promise<void> {
  const response = await fetch(path, { signal, credentials: "same-origin" }).catch((error: unknown) => {
    throw signal.aborted ? error : new Offline(error);
  });
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

/** Lines that are read of one execution. */
const MOST = "500";

/** What was written while the messages of an execution were at work. */
export async function executionLog(flow: string, execution: string, signal: AbortSignal): Promise<LogLine[]> {
  const lines: LogLine[] = [];
  const query = new URLSearchParams({ execution, tail: MOST });
  await readLog(`/api/v1/flows/${flow}/logs?${query}`, (more) => lines.push(...more), signal);
  return lines;
}
