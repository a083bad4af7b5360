import type { components } from "@/api/schema";

export type ProblemDocument = components["schemas"]["ProblemDocument"];
export type Mistake = components["schemas"]["Mistake"];

/** A refusal: what the server says of it, in the shape of RFC 9457 with Headrace's `reason` and `next_step`. */
export class Problem extends Error {
  readonly status: number;
  readonly reason: string;
  readonly nextStep: string;
  readonly mistakes: Mistake[];
  /** Of a `stale-draft`: what somebody else did meanwhile. */
  readonly conflict: components["schemas"]["Conflict"] | null;

  constructor(status: number, document: Partial<ProblemDocument>) {
    super(document.detail ?? document.title ?? `the server answered ${status}`);
    this.name = "Problem";
    this.status = status;
    this.reason = document.reason ?? "unexpected-answer";
    this.nextStep = document.next_step ?? "";
    this.mistakes = document.problems ?? [];
    this.conflict = document.draft ?? null;
  }
}

/** The server did not answer at all: it is down, or the network is. */
export class Offline extends Error {
  constructor(cause: unknown) {
    super("The server does not answer", { cause });
    this.name = "Offline";
  }
}

export function isSignedOut(error: unknown): boolean {
  return error instanceof Problem && error.status === 401;
}
