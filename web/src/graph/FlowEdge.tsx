import { BaseEdge, type Edge, type EdgeProps, getBezierPath } from "@xyflow/react";
import { usePulses } from "@/graph/pulses";

export interface EdgeAbout {
  /** Messages that wait at its end; null: nobody knows, or nobody asks. */
  waiting: number | null;
  /** How long the oldest of them does, in words. */
  age: string;
  /** What is told may no longer be so. */
  stale: boolean;
}

export type FlowEdgeType = Edge<{ about: EdgeAbout | null }, "flow">;

/** The way between two steps: what waits there, and a dot for what passes while somebody watches. */
export function FlowEdge(props: EdgeProps<FlowEdgeType>) {
  const { id, data, selected, markerEnd, style } = props;
  const [path, x, y] = getBezierPath(props);
  const pulses = usePulses(id);
  const about = data?.about ?? null;
  const waiting = about?.waiting ?? 0;
  const label = waiting > 0 ? { label: `${waiting} · ${about?.age}`, labelX: x, labelY: y } : {};
  return (
    <>
      <BaseEdge
        path={path}
        {...label}
        {...(markerEnd === undefined ? {} : { markerEnd })}
        style={{ ...style, ...(selected ? { stroke: "var(--mantine-primary-color-filled)", strokeWidth: 2 } : {}) }}
        labelStyle={{ fontSize: 13, fill: about?.stale ? "var(--mantine-color-dimmed)" : "var(--mantine-color-text)" }}
        labelBgStyle={{ fill: "var(--mantine-color-body)" }}
        labelBgPadding={[6, 3]}
        labelBgBorderRadius={4}
        interactionWidth={28}
      />
      {pulses > 0 && (
        <g key={pulses} aria-hidden>
          <path d={path} className="pulse-line" fill="none" />
          <circle r={5} className="pulse-dot" style={{ offsetPath: `path("${path}")` }} />
        </g>
      )}
    </>
  );
}
