import type { Deployment } from "@/api/flows";
import type { Connection } from "@/api/live";

/** Figures are read every two seconds; after so many milliseconds without any they are history. */
const OLD_AFTER = 8_000;
const RUNNING = new Set<Deployment["state"]>(["live", "draining", "standby"]);

/** Why what is shown of a running flow may no longer be so, in words; null when it is so. */
export function staleness(
  deployment: Pick<Deployment, "state" | "heard_at"> | null,
  readAt: number,
  now: number,
  connection: Connection,
): string | null {
  if (connection === "lost") return "Reconnecting";
  if (now - readAt > OLD_AFTER) return "The server does not answer";
  if (deployment !== null && RUNNING.has(deployment.state) && deployment.heard_at === null) {
    return "The worker is silent";
  }
  return null;
}
