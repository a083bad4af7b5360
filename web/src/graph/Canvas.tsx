import "@xyflow/react/dist/style.css";
import "@/graph/canvas.css";
import { useComputedColorScheme } from "@mantine/core";
import { Background, type Connection, Controls, MiniMap, ReactFlow } from "@xyflow/react";
import { useMemo, useRef, useState } from "react";
import type { Step } from "@/graph/document";
import { type Editing, EditingContext } from "@/graph/editing";
import { type EdgeAbout, FlowEdge, type FlowEdgeType } from "@/graph/FlowEdge";
import { type Edge, edges } from "@/graph/layout";
import { EMPTY, type Picture, picture, type Shown } from "@/graph/nodes";
import { Sight, useSight } from "@/graph/Sight";
import { type StepAbout, StepNode, type StepNodeType } from "@/graph/StepNode";

const NODE_TYPES = { step: StepNode };
const EDGE_TYPES = { flow: FlowEdge };
const MINIMAP_FROM = 12;
const LABELS = {
  "node.a11yDescription.default": "Enter opens the step; the arrow keys go along the flow.",
} as const;

interface Props {
  steps: Step[];
  /** The step whose panel is open, or that was chosen last. */
  selected: string | null;
  onSelect: (id: string | null) => void;
  /** Enter on a step; the same as a click unless said otherwise. */
  onOpen?: (id: string) => void;
  /** With several chosen at once: all of them, and which changes of the choice are made on the canvas. */
  chosen?: ReadonlySet<string>;
  onChoose?: (ids: ReadonlySet<string>, last: string | null) => void;
  /** Absent: nothing can be changed. */
  editing?: Editing;
  /** What a step shows beside what is written of it. */
  about: (step: Step) => StepAbout;
  /** What an edge shows; with `onEdge` it can be opened, by keyboard too. */
  aboutEdge?: (edge: Edge) => EdgeAbout;
  onEdge?: (edge: Edge) => void;
  /** The edge that is open. */
  opened?: string | null;
  /** Under which name the browser keeps where somebody looked. */
  memory?: string;
}

/** The steps of one document, where the layout puts them. The picture is computed from the document, never kept. */
export function Canvas({
  steps,
  selected,
  onSelect,
  onOpen = onSelect,
  chosen,
  onChoose,
  editing,
  about,
  aboutEdge,
  onEdge,
  opened = null,
  memory,
}: Props) {
  const scheme = useComputedColorScheme("light");
  const ids = useMemo(() => chosen ?? new Set(selected === null ? [] : [selected]), [chosen, selected]);
  const shown = usePicture({ steps, selected: ids, about, editing: editing !== undefined, aboutEdge, opened });
  const openEdge = (id: string) => {
    const edge = edges(steps).find((each) => each.id === id);
    if (edge !== undefined) onEdge?.(edge);
  };
  const sight = useSight(memory);
  const actions = useStable(editing);
  const choose = (changed: Map<string, boolean>) => {
    const next = new Set([...ids].filter((id) => changed.get(id) !== false));
    let last: string | null = null;
    for (const [id, on] of changed) {
      if (!on) continue;
      next.add(id);
      last = id;
    }
    if (onChoose !== undefined) onChoose(next, last ?? [...next].at(-1) ?? null);
    else if (last !== null) onSelect(last);
  };
  return (
    <EditingContext value={actions}>
      <ReactFlow<StepNodeType, FlowEdgeType>
        nodes={shown.nodes}
        edges={shown.edges}
        nodeTypes={NODE_TYPES}
        edgeTypes={EDGE_TYPES}
        colorMode={scheme}
        minZoom={0.1}
        nodesDraggable={false}
        nodesConnectable={editing !== undefined}
        edgesFocusable={onEdge !== undefined}
        onEdgeClick={(_, edge) => openEdge(edge.id)}
        onEdgesChange={(changes) => {
          for (const change of changes) if (change.type === "select" && change.selected) openEdge(change.id);
        }}
        elementsSelectable
        deleteKeyCode={null}
        multiSelectionKeyCode={onChoose === undefined ? null : ["Shift", "Control", "Meta"]}
        selectionKeyCode={onChoose === undefined ? null : "Shift"}
        onlyRenderVisibleElements
        proOptions={{ hideAttribution: true }}
        ariaLabelConfig={LABELS}
        onNodeClick={(event, node) => {
          if (!(event.shiftKey || event.ctrlKey || event.metaKey) || onChoose === undefined) onSelect(node.id);
        }}
        onPaneClick={() => onSelect(null)}
        onNodesChange={(changes) => {
          const changed = new Map<string, boolean>();
          for (const change of changes) if (change.type === "select") changed.set(change.id, change.selected);
          if (changed.size > 0) choose(changed);
        }}
        onKeyDown={(event) => {
          const id = event.target instanceof HTMLElement ? event.target.dataset.id : undefined;
          if (event.key === "Enter" && id !== undefined) onOpen(id);
        }}
        {...(editing === undefined
          ? {}
          : {
              isValidConnection: ({ source, target }) => editing.canJoin(source, target),
              onConnect: ({ source, target }: Connection) => editing.onJoin(source, target),
              onReconnect: (edge: FlowEdgeType, { source, target }: Connection) => {
                if (source === edge.source && target !== edge.target) editing.onMove(source, edge.target, target);
              },
            })}
        {...sight.props}
      >
        <Background gap={24} />
        <Sight layout={shown.layout} selected={selected} sight={sight} />
        <Controls showInteractive={false} onZoomIn={sight.own} onZoomOut={sight.own} onFitView={sight.whole} />
        {steps.length >= MINIMAP_FROM && <MiniMap pannable zoomable ariaLabel="The whole flow" />}
      </ReactFlow>
    </EditingContext>
  );
}

function usePicture(shown: Shown): Picture {
  const before = useRef(EMPTY);
  before.current = picture(before.current, shown);
  return before.current;
}

/** The same object over all renders, that does what the newest one does. */
function useStable(editing: Editing | undefined): Editing | null {
  const newest = useRef(editing);
  newest.current = editing;
  const [stable] = useState<Editing>(() => ({
    onAdd: (after, to) => newest.current?.onAdd(after, to),
    onCondition: (step) => newest.current?.onCondition(step),
    canJoin: (from, to) => newest.current?.canJoin(from, to) ?? false,
    onJoin: (from, to) => newest.current?.onJoin(from, to),
    onPart: (from, to) => newest.current?.onPart(from, to),
    onMove: (from, to, now) => newest.current?.onMove(from, to, now),
  }));
  return editing === undefined ? null : stable;
}
