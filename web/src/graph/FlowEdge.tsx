import { ActionIcon, Tooltip, UnstyledButton } from "@mantine/core";
import { IconPlus, IconX } from "@tabler/icons-react";
import { BaseEdge, type Edge, EdgeLabelRenderer, type EdgeProps } from "@xyflow/react";
import { memo } from "react";
import { useEditing } from "@/graph/editing";
import { curve, type Way } from "@/graph/layout";
import { usePulses } from "@/graph/pulses";

export interface EdgeAbout {
  /** Messages that wait at its end; null: nobody knows, or nobody asks. */
  waiting: number | null;
  /** How long the oldest of them does, in words. */
  age: string;
  /** What is told may no longer be so. */
  stale: boolean;
}

export interface FlowEdgeData extends Record<string, unknown> {
  way: Way;
  /** The condition of the step it leads to. */
  when: string | null;
  /** No message passes it: a disabled step is at one of its ends. */
  idle: boolean;
  /** The step it leads to comes after others too. */
  several: boolean;
  editing: boolean;
  /** What waits there. */
  about: EdgeAbout | null;
}

export type FlowEdgeType = Edge<FlowEdgeData, "flow">;

const CHOSEN = { stroke: "var(--mantine-primary-color-filled)", strokeWidth: 2 };

/**
 * The way from a step to one after it: its condition, what waits there, a dot for what passes while somebody watches, and
 * what can be done with it where the pointer is.
 */
export const FlowEdge = memo(function FlowEdge(edge: EdgeProps<FlowEdgeType>) {
  const { source, target, sourceX, sourceY, targetX, targetY, data, markerEnd, selected } = edge;
  const editing = useEditing();
  const pulses = usePulses(edge.id);
  if (data === undefined) return null;
  const { way, when, idle, several, about } = data;
  const waiting = about?.waiting ?? null;
  const path = curve([{ x: sourceX, y: sourceY }, ...way.points, { x: targetX, y: targetY }]);
  return (
    <>
      <BaseEdge
        id={edge.id}
        path={path}
        {...(markerEnd === undefined ? {} : { markerEnd })}
        {...(idle ? { className: "way-idle" } : {})}
        {...(selected ? { style: CHOSEN } : {})}
        interactionWidth={28}
      />
      {pulses > 0 && (
        <g key={pulses} aria-hidden>
          <path d={path} className="pulse-line" fill="none" />
          <circle r={5} className="pulse-dot" style={{ offsetPath: `path("${path}")` }} />
        </g>
      )}
      {(when !== null || editing !== null || waiting !== null) && (
        <EdgeLabelRenderer>
          <div
            className="way nodrag nopan"
            data-looking={editing === null || undefined}
            style={{ transform: `translate(-50%, -50%) translate(${way.middle.x}px, ${way.middle.y}px)` }}
          >
            {when !== null && <Condition when={when} onEdit={editing && (() => editing.onCondition(target))} />}
            {waiting !== null && (
              <span className="way-waiting" data-stale={about?.stale || waiting === 0 || undefined} aria-hidden>
                {waiting === 0 ? "0" : `${waiting} · ${about?.age}`}
              </span>
            )}
            {editing !== null && (
              <div className="way-actions">
                <ActionIcon
                  size="xs"
                  radius="xl"
                  tabIndex={-1}
                  aria-label={`Insert a step between ${source} and ${target}`}
                  onClick={() => editing.onAdd(source, target)}
                >
                  <IconPlus size={12} />
                </ActionIcon>
                {several && (
                  <ActionIcon
                    size="xs"
                    radius="xl"
                    variant="default"
                    tabIndex={-1}
                    aria-label={`Part ${target} from ${source}`}
                    onClick={() => editing.onPart(source, target)}
                  >
                    <IconX size={12} />
                  </ActionIcon>
                )}
              </div>
            )}
          </div>
        </EdgeLabelRenderer>
      )}
    </>
  );
});

function Condition({ when, onEdit }: { when: string; onEdit: (() => void) | null }) {
  const text = when.trim().replaceAll(/\s+/g, " ");
  const events = { hover: true, focus: true, touch: true };
  return (
    <Tooltip label={when.trim()} multiline maw={420} events={events} className="condition-whole">
      {onEdit === null ? (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: the whole condition shows on focus
        <span className="condition" tabIndex={0} role="note" aria-label={`only when ${text}`}>
          {text}
        </span>
      ) : (
        <UnstyledButton className="condition" aria-label={`only when ${text}; edit the condition`} onClick={onEdit}>
          {text}
        </UnstyledButton>
      )}
    </Tooltip>
  );
}
