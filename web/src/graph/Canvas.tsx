import "@xyflow/react/dist/style.css";
import { useComputedColorScheme } from "@mantine/core";
import { Background, Controls, MarkerType, MiniMap, ReactFlow, useReactFlow, useStore } from "@xyflow/react";
import { useEffect, useMemo } from "react";
import type { Step } from "@/graph/document";
import { type EdgeAbout, FlowEdge } from "@/graph/FlowEdge";
import { type Edge, edges, inOrder, places, STEP } from "@/graph/layout";
import { type StepAbout, StepNode } from "@/graph/StepNode";

const NODE_TYPES = { step: StepNode };
const EDGE_TYPES = { flow: FlowEdge };
const MINIMAP_FROM = 12;
const FITTING = { maxZoom: 1, padding: 0.15 };

interface Props {
  steps: Step[];
  selected: string | null;
  onSelect: (id: string | null) => void;
  /** Somebody wants a step after this one; absent: nothing can be added. */
  onAdd?: (after: string) => void;
  /** What a step shows beside what is written of it. */
  about: (step: Step) => StepAbout;
  /** What an edge shows; with `onEdge` it can be opened, by keyboard too. */
  aboutEdge?: (edge: Edge) => EdgeAbout;
  onEdge?: (edge: Edge) => void;
  /** The edge that is open. */
  opened?: string | null;
}

/** The steps of one document, where `places` puts them. Nodes are computed from the document, never kept. */
export function Canvas({ steps, selected, onSelect, onAdd, about, aboutEdge, onEdge, opened = null }: Props) {
  const scheme = useComputedColorScheme("light");
  const at = useMemo(() => places(steps), [steps]);
  const nodes = inOrder(steps).map((step) => ({
    id: step.id,
    type: "step" as const,
    position: at.get(step.id) ?? { x: 0, y: 0 },
    width: STEP.width,
    height: STEP.height,
    selected: step.id === selected,
    ariaLabel: `${step.kind} ${step.name || step.id}, ${step.uses}`,
    data: { step, onAdd: onAdd ? () => onAdd(step.id) : null, ...about(step) },
  }));
  const known = edges(steps);
  const open = (id: string) => {
    const edge = known.find((each) => each.id === id);
    if (edge !== undefined) onEdge?.(edge);
  };
  const lines = known.map((edge) => {
    const told = aboutEdge?.(edge) ?? null;
    return {
      id: edge.id,
      type: "flow" as const,
      source: edge.from,
      target: edge.to,
      markerEnd: { type: MarkerType.ArrowClosed },
      selected: edge.id === opened,
      ariaLabel: edgeLabel(edge, told),
      data: { about: told },
    };
  });
  return (
    <ReactFlow
      nodes={nodes}
      edges={lines}
      nodeTypes={NODE_TYPES}
      colorMode={scheme}
      fitView
      fitViewOptions={FITTING}
      minZoom={0.1}
      nodesDraggable={false}
      nodesConnectable={false}
      edgeTypes={EDGE_TYPES}
      edgesFocusable={onEdge !== undefined}
      onEdgeClick={(_, edge) => open(edge.id)}
      onEdgesChange={(changes) => {
        for (const change of changes) if (change.type === "select" && change.selected) open(change.id);
      }}
      deleteKeyCode={null}
      onlyRenderVisibleElements
      proOptions={{ hideAttribution: true }}
      onNodeClick={(_, node) => onSelect(node.id)}
      onPaneClick={() => onSelect(null)}
      onNodesChange={(changes) => {
        for (const change of changes) if (change.type === "select" && change.selected) onSelect(change.id);
      }}
    >
      <Background gap={24} />
      <FitToRoom />
      <Controls showInteractive={false} />
      {steps.length >= MINIMAP_FROM && <MiniMap pannable zoomable ariaLabel="The whole flow" />}
    </ReactFlow>
  );
}

function edgeLabel({ from, to }: Edge, about: EdgeAbout | null): string {
  if (about === null || about.waiting === null) return `${from} to ${to}`;
  return `${from} to ${to}: ${about.waiting} waiting${about.waiting > 0 ? `, the oldest for ${about.age}` : ""}`;
}

/** Shows the whole flow again when there is more or less room, as a panel opened, or a step came or went. */
function FitToRoom() {
  const { fitView } = useReactFlow();
  const width = useStore((state) => state.width);
  const steps = useStore((state) => state.nodes.length);
  useEffect(() => {
    if (width > 0 && steps > 0) void fitView(FITTING);
  }, [width, steps, fitView]);
  return null;
}
