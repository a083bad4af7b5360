import { TextInput } from "@mantine/core";
import { useState } from "react";
import { mistakeAt, type PartProps } from "@/features/designer/step/part";
import { renameStep, setKey } from "@/graph/document";

const ID = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/;

export function Identity(props: PartProps & { onRenamed: (id: string) => void }) {
  const { document, step, mistakes, readOnly, onChange, onRenamed } = props;
  const [id, setId] = useState(step.id);
  const taken = id !== step.id && document.steps.some((each) => each.id === id);
  const wrong = !ID.test(id)
    ? "A letter first, then letters, digits, - and _"
    : taken
      ? "Another step has this id"
      : null;
  const rename = () => {
    if (wrong !== null || id === step.id) return setId(step.id);
    onChange(renameStep(step.id, id));
    onRenamed(id);
  };
  return (
    <>
      <TextInput
        label="Name"
        value={step.name}
        readOnly={readOnly}
        error={mistakeAt(mistakes, "name")}
        onChange={(event) => onChange(setKey(step.id, "name", event.currentTarget.value), `${step.id}.name`)}
      />
      <TextInput
        label="Id"
        data-key="id"
        description="Its queue and its snapshot go with the id."
        value={id}
        readOnly={readOnly}
        error={wrong ?? mistakeAt(mistakes, "id")}
        onChange={(event) => setId(event.currentTarget.value)}
        onBlur={rename}
        onKeyDown={(event) => event.key === "Enter" && rename()}
      />
    </>
  );
}
