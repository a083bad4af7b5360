import "@xyflow/react/dist/style.css";
import { useComputedColorScheme } from "@mantine/core";
import { Background, Controls, MarkerType, MiniMap, ReactFlow } from "@xyflow/react";
import { useMemo } from "react";
import { StepNode, type StepNodeData } from "@/features/designer/StepNode";
import type { Step } from "@/graph/document";
import { edges, inOrder, places, STEP } from "@/graph/layout";

const NODE_TYPES = { step: StepNode };
const MINIMAP_FROM = 12;

interface Props {
  steps: Step[];
  selected: string | null;
  onSelect: (id: string | null) => void;
  /** What a step shows beside what is written of it. */
  about: (step: Step) => Omit<StepNodeData, "step">;
}

/** The steps of one document, where `places` puts them. Nodes are computed from the document, never kept. */
export function Canvas({ steps, selected, onSelect, about }: Props) {
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
    data: { step, ...about(step) },
  }));
  const lines = edges(steps).map(({ id, from, to }) => ({
    id,
    source: from,
    target: to,
    markerEnd: { type: MarkerType.ArrowClosed },
  }));
  return (
    <ReactFlow
      nodes={nodes}
      edges={lines}
      nodeTypes={NODE_TYPES}
      colorMode={scheme}
      fitView
      fitViewOptions={{ maxZoom: 1, padding: 0.2 }}
      minZoom={0.1}
      nodesDraggable={false}
      nodesConnectable={false}
      edgesFocusable={false}
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
      <Controls showInteractive={false} />
      {steps.length >= MINIMAP_FROM && <MiniMap pannable zoomable ariaLabel="The whole flow" />}
    </ReactFlow>
  );
}
