import { useState } from "react";
import { useSearchParams } from "wouter";

/** The steps that are chosen on the canvas, and which of them last. */
export interface Chosen {
  ids: ReadonlySet<string>;
  last: string | null;
}

export interface ChoiceOf extends Chosen {
  choose: (ids: ReadonlySet<string>, last: string | null) => void;
  only: (id: string | null) => void;
}

const NONE: Chosen = { ids: new Set(), last: null };
const key = (flow: string) => `headrace.step.${flow}`;

/** What is chosen of a flow: in the address, so that it can be sent, and in the browser, so that it is there again. */
export function useChoice(flow: string, known: ReadonlySet<string>): ChoiceOf {
  const [search, setSearch] = useSearchParams();
  const [chosen, setChosen] = useState<Chosen>(() => {
    const id = search.get("step") ?? localStorage.getItem(key(flow));
    return id === null ? NONE : { ids: new Set([id]), last: id };
  });
  const choose = (ids: ReadonlySet<string>, last: string | null) => {
    setChosen({ ids, last });
    if (last === chosen.last && search.get("step") === last) return;
    if (last === null) localStorage.removeItem(key(flow));
    else localStorage.setItem(key(flow), last);
    setSearch(
      (now) => {
        const next = new URLSearchParams(now);
        if (last === null) next.delete("step");
        else next.set("step", last);
        return next;
      },
      { replace: true },
    );
  };
  return {
    ...here(chosen, known),
    choose,
    only: (id) => choose(id === null ? NONE.ids : new Set([id]), id),
  };
}

/** Without steps that are gone, as undo takes them. */
function here({ ids, last }: Chosen, known: ReadonlySet<string>): Chosen {
  const left = [...ids].filter((id) => known.has(id));
  const still = left.length === ids.size ? ids : new Set(left);
  return { ids: still, last: last !== null && known.has(last) ? last : (left.at(-1) ?? null) };
}
