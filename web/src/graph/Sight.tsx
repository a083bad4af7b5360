import { type ReactFlowProps, useReactFlow, useStore, type Viewport } from "@xyflow/react";
import { useEffect, useRef, useState } from "react";
import { type Layout, STEP } from "@/graph/layout";
import { rememberedView, rememberView, showing } from "@/graph/view";

export const FITTING = { maxZoom: 1, padding: 0.15 };
/** A flow that would be smaller than this as a whole is shown from its beginning. */
const READABLE = 0.4;
const FIRST = { x: 24, zoom: 0.7 };

interface SightOf {
  props: Pick<ReactFlowProps, "defaultViewport" | "onMove" | "onMoveEnd">;
  /** Whether somebody chose where to look; until then the whole flow is shown. */
  isOwn: () => boolean;
  own: () => void;
  whole: () => void;
}

/** Where somebody looks on a canvas, kept under `memory`. */
export function useSight(memory: string | undefined): SightOf {
  const [remembered] = useState(() => (memory === undefined ? null : rememberedView(memory)));
  const own = useRef(remembered !== null);
  return {
    props: {
      ...(remembered === null ? {} : { defaultViewport: remembered }),
      onMove: (event) => {
        if (event) own.current = true; // a move of theirs: a click moves nothing
      },
      onMoveEnd: (_, view) => {
        if (memory !== undefined && own.current) rememberView(memory, view);
      },
    },
    isOwn: () => own.current,
    own: () => {
      own.current = true;
    },
    whole: () => {
      own.current = false;
      if (memory !== undefined) rememberView(memory, null);
    },
  };
}

interface Props {
  layout: Layout;
  selected: string | null;
  sight: SightOf;
}

/**
 * Shows the whole flow when there is more or less room or a step came or went, until somebody moves it themselves; from
 * then on only as much is moved as shows the step that is selected.
 */
export function Sight({ layout, selected, sight }: Props) {
  const { fitView, getViewport, setViewport } = useReactFlow();
  const room = useStore((state) => state.domNode);
  const width = useStore((state) => state.width);
  const height = useStore((state) => state.height);
  const steps = layout.places.size;
  const { isOwn } = sight;
  /** For which room and how many steps the flow was shown from its beginning. */
  const begun = useRef("");
  // biome-ignore lint/correctness/useExhaustiveDependencies: what is looked at changes with these, and with nothing else
  useEffect(() => {
    if (room === null || room.clientWidth === 0 || width === 0 || steps === 0) return; // behind a panel on a small screen
    if (!isOwn() && Math.min(width / layout.width, height / layout.height) >= READABLE) {
      void fitView(FITTING);
      return;
    }
    const shape = `${width} ${height} ${steps}`;
    const begins = !isOwn() && begun.current !== shape;
    begun.current = shape;
    const view: Viewport = begins ? { ...FIRST, y: 0 } : getViewport();
    const looked = selected ?? (begins ? [...layout.places.keys()][0] : undefined);
    const place = looked === undefined ? undefined : layout.places.get(looked);
    if (place === undefined) return;
    void setViewport(showing(view, { width, height }, { ...place, ...STEP }));
  }, [width, height, steps, selected]);
  return null;
}

/** Puts the focus on a step of the canvas once it is drawn there; on one that is chosen when it has another id by then. */
export function focusStep(id: string, tries = 6): void {
  requestAnimationFrame(() => {
    const chosen = tries === 0 ? ", .react-flow__node.selected" : "";
    const found = document.querySelector<HTMLElement>(`.react-flow__node[data-id="${CSS.escape(id)}"]${chosen}`);
    if (found !== null) found.focus({ preventScroll: true });
    else if (tries > 0) focusStep(id, tries - 1);
  });
}
