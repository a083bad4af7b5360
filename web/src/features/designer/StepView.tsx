import type { ReactNode } from "react";
import { StepPanel } from "@/features/designer/StepPanel";
import type { FlowDocument, Step } from "@/graph/document";

interface Props {
  document: FlowDocument;
  step: Step;
  /** What stands above what is written of it, such as how it runs. */
  above?: ReactNode;
  onClose: () => void;
}

/** The panel of a step that can only be looked at. */
export function StepView({ document, step, above, onClose }: Props) {
  const nothing = () => {};
  return (
    <StepPanel
      key={step.id}
      document={document}
      step={step}
      mistakes={[]}
      readOnly
      onChange={nothing}
      onRenamed={nothing}
      onMap={nothing}
      onRemove={nothing}
      onClose={onClose}
      above={above}
    />
  );
}
