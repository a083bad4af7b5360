import { createContext, useContext } from "react";

/** What can be done to a flow on the canvas; a canvas without it only shows. */
export interface Editing {
  /** Somebody wants a step after this one; with `to`, between the two. */
  onAdd: (after: string, to?: string) => void;
  /** Somebody wants to change the condition of a step. */
  onCondition: (step: string) => void;
  canJoin: (from: string, to: string) => boolean;
  onJoin: (from: string, to: string) => void;
  onPart: (from: string, to: string) => void;
  /** The end of an edge was put on another step. */
  onMove: (from: string, to: string, now: string) => void;
}

export const EditingContext = createContext<Editing | null>(null);

export function useEditing(): Editing | null {
  return useContext(EditingContext);
}
