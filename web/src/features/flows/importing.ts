/** Bringing flows in from files: what each file is, and what becomes of it. Nothing that is there is overwritten. */
import { Problem } from "@/api/problem";
import { changed, read } from "@/graph/document";

export interface Brought {
  file: string;
  /** The flow it is; null: none. */
  flow: string | null;
  text: string;
}

export interface Told extends Brought {
  outcome: "made" | "there" | "refused";
  why: string;
}

/** What a file holds. */
export function brought(file: string, text: string): Brought {
  return { file, flow: read(text)?.flow || null, text };
}

/** Make a draft of each, one after another; `save` refuses with `stale-draft` what is there already. */
export async function bringIn(
  all: readonly Brought[],
  save: (flow: string, text: string) => Promise<unknown>,
): Promise<Told[]> {
  const told: Told[] = [];
  for (const each of all) told.push({ ...each, ...(await bringOne(each, save)) });
  return told;
}

async function bringOne(
  { flow, text }: Brought,
  save: (flow: string, text: string) => Promise<unknown>,
): Promise<Pick<Told, "outcome" | "why">> {
  if (flow === null) return { outcome: "refused", why: "It is no flow document with a name." };
  try {
    await save(flow, text);
    return { outcome: "made", why: "A draft is made of it." };
  } catch (error) {
    if (error instanceof Problem && error.reason === "stale-draft") {
      return { outcome: "there", why: "A flow of this name is there; it is left as it is." };
    }
    return { outcome: "refused", why: (error as Error).message };
  }
}

/** The same document as a flow of another name, one that none has. */
export function renamed({ file, flow, text }: Brought, taken: ReadonlySet<string>): Brought {
  const base = (flow ?? "flow").slice(0, 60);
  let number = 2;
  while (taken.has(`${base}-${number}`)) number++;
  const name = `${base}-${number}`;
  return { file, flow: name, text: changed(text, (yaml) => yaml.set("flow", name)) };
}
