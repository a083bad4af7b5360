import { Divider, NavLink, ScrollArea, Skeleton, Text, TextInput } from "@mantine/core";
import { IconBolt, IconSearch, IconSettings } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { type Component, components, type Offer } from "@/api/components";
import { Empty } from "@/ui/Empty";
import { Panel } from "@/ui/Panel";
import { Refusal } from "@/ui/Refusal";

export interface Chosen {
  kind: "trigger" | "action";
  component: string;
  function: string;
}

interface Props {
  kind: "trigger" | "action";
  title: string;
  onChoose: (chosen: Chosen) => void;
  onClose: () => void;
}

/** What components offer, to choose the next step from; beside the canvas, like the step panel. */
export function Chooser({ kind, title, onChoose, onClose }: Props) {
  const found = useQuery(components.list());
  const [search, setSearch] = useState("");
  const offers = (found.data ?? []).flatMap((component) => matching(component, kind, search));
  const choose = (component: Component, offer: Offer) =>
    onChoose({ kind, component: component.name, function: offer.name });
  return (
    <Panel title={title} onClose={onClose}>
      <TextInput
        p="sm"
        aria-label={`Search ${kind}s`}
        placeholder={`Search ${kind}s`}
        leftSection={<IconSearch size={16} aria-hidden />}
        value={search}
        onChange={(event) => setSearch(event.currentTarget.value)}
        onKeyDown={(event) => {
          const first = offers[0];
          if (event.key === "Enter" && first !== undefined) choose(first.component, first.offer);
          if (event.key === "Escape") onClose();
        }}
        data-autofocus
        autoFocus
      />
      <Divider />
      <ScrollArea flex={1} mih={0}>
        {found.error && <Refusal error={found.error} onRetry={() => void found.refetch()} />}
        {found.isPending && <Skeleton h={120} m="sm" role="status" aria-label="Loading" />}
        {found.data && offers.length === 0 && (
          <Empty title="Nothing found">
            No component here offers such a {kind}. Push one with git: `headrace component create` begins one.
          </Empty>
        )}
        {offers.map(({ component, offer }) => (
          <NavLink
            key={`${component.name}/${offer.name}`}
            component="button"
            label={offer.title || offer.name}
            description={
              <Text size="xs" lineClamp={2} c="dimmed" component="span">
                {component.title || component.name}
                {offer.description && `: ${offer.description}`}
              </Text>
            }
            leftSection={
              kind === "trigger" ? <IconBolt size={18} aria-hidden /> : <IconSettings size={18} aria-hidden />
            }
            onClick={() => choose(component, offer)}
          />
        ))}
      </ScrollArea>
    </Panel>
  );
}

function matching(component: Component, kind: "trigger" | "action", search: string) {
  const words = search.toLowerCase().split(/\s+/);
  const offers = kind === "trigger" ? component.triggers : component.actions;
  return offers
    .filter((offer) => {
      const text =
        `${component.name} ${component.title} ${offer.name} ${offer.title} ${offer.description}`.toLowerCase();
      return words.every((word) => text.includes(word));
    })
    .map((offer) => ({ component, offer }));
}
