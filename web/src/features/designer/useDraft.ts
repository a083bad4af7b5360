import type { UseQueryResult } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { type Flow, type Draft as SavedDraft, saveDraft } from "@/api/flows";
import { type Draft, openDraft } from "@/features/designer/draft";

/**
 * The draft of a flow, opened once it may be edited: from then on the browser's text is the one that counts, until it is
 * saved. It rests while somebody else edits.
 */
export function useDraft(flow: Flow, found: UseQueryResult<SavedDraft>, mine: boolean): Draft | null {
  const [draft, setDraft] = useState<Draft | null>(null);
  const { data } = found;
  useEffect(() => {
    if (data === undefined) return;
    const { document: text, tag, problems: mistakes, author } = data;
    const save = (now: string, on: number) => saveDraft(flow.name, now, on);
    setDraft((open) => {
      open?.heard({ text, tag, author }, mistakes);
      return open ?? (mine ? openDraft({ id: flow.id, text, tag, author, mistakes, save }) : null);
    });
  }, [data, mine, flow.name, flow.id]);
  useEffect(() => {
    if (!flow.has_draft) draft?.heard({ text: null, tag: flow.draft_tag, author: flow.draft_author }, []);
  }, [draft, flow.has_draft, flow.draft_tag, flow.draft_author]);
  useEffect(() => {
    if (mine) draft?.wake();
    else draft?.rest();
  }, [draft, mine]);
  useEffect(() => () => void draft?.flush().finally(draft.close), [draft]);
  return draft;
}
