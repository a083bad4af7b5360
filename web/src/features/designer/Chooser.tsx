import {
  Anchor,
  Badge,
  Divider,
  Group,
  NavLink,
  ScrollArea,
  Skeleton,
  Stack,
  Text,
  TextInput,
  Title,
} from "@mantine/core";
import { IconBolt, IconSearch, IconSettings } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { type KeyboardEvent, useState } from "react";
import { components } from "@/api/components";
import { type OfferGroup, offersOf, titleOf } from "@/features/designer/offers";
import { ComponentMark } from "@/ui/ComponentMark";
import { Panel } from "@/ui/Panel";
import { PushLines } from "@/ui/PushLines";
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
  const groups = offersOf(found.data ?? [], kind, search);
  const choose = (component: string, name: string) => onChoose({ kind, component, function: name });
  const pressed = (event: KeyboardEvent<HTMLElement>) => {
    const [first] = groups;
    const typing = event.target instanceof HTMLInputElement;
    if (event.key === "Escape") onClose();
    else if (event.key === "Enter" && typing && first?.offers[0] !== undefined) {
      choose(first.component.name, first.offers[0].name);
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      step(event.currentTarget, event.key === "ArrowDown" ? 1 : -1);
    }
  };
  return (
    <Panel title={title} onClose={onClose}>
      {/* biome-ignore lint/a11y/noStaticElementInteractions: arrows go through what is in there */}
      <div onKeyDown={pressed} style={{ display: "contents" }}>
        <TextInput
          p="sm"
          aria-label={`Search ${kind}s`}
          placeholder={`Search ${kind}s`}
          leftSection={<IconSearch size={16} aria-hidden />}
          value={search}
          onChange={(event) => setSearch(event.currentTarget.value)}
          data-offer
          data-autofocus
          autoFocus
        />
        <Divider />
        <ScrollArea flex={1} mih={0}>
          {found.error && <Refusal error={found.error} onRetry={() => void found.refetch()} />}
          {found.isPending && <Skeleton h={120} m="sm" role="status" aria-label="Loading" />}
          {groups.map((group) => (
            <Offers key={group.component.name} group={group} kind={kind} onChoose={choose} />
          ))}
          {found.data && groups.length === 0 && (
            <Stack p="md" gap="sm">
              <Title order={3} size="h4">
                {search.trim() === ""
                  ? `No component offers ${kind === "action" ? "an" : "a"} ${kind}`
                  : "Nothing found"}
              </Title>
              <Text size="sm">
                {search.trim() === ""
                  ? "Push one with git:"
                  : "Other words may find it. What is not there yet is written as a component, and pushed with git:"}
              </Text>
              <PushLines />
            </Stack>
          )}
        </ScrollArea>
      </div>
    </Panel>
  );
}

interface OffersProps {
  group: OfferGroup;
  kind: "trigger" | "action";
  onChoose: (component: string, name: string) => void;
}

function Offers({ group: { component, offers }, kind, onChoose }: OffersProps) {
  const Icon = kind === "trigger" ? IconBolt : IconSettings;
  return (
    <section aria-label={titleOf(component)}>
      <Group gap="xs" px="sm" pt="sm" pb={4} wrap="nowrap">
        <ComponentMark name={component.name} icon={component.icon} size={24} />
        <Text size="sm" fw={700} flex={1} lineClamp={1} title={component.description}>
          {titleOf(component)}
        </Text>
        {component.help?.link && <Help of={titleOf(component)} link={component.help.link} />}
      </Group>
      {offers.map((offer) => (
        <Group key={offer.name} gap={0} wrap="nowrap" pr={offer.help?.link ? "sm" : 0}>
          <NavLink
            component="button"
            data-offer
            pl={44}
            label={
              <>
                {offer.title || offer.name}{" "}
                {offer.type && offer.type !== "webhook" && (
                  <Badge size="xs" variant="light" color="gray">
                    {offer.type}
                  </Badge>
                )}
              </>
            }
            description={
              <Text size="xs" lineClamp={2} c="dimmed" component="span">
                {offer.description || offer.help?.description || component.description}
              </Text>
            }
            rightSection={<Icon size={16} aria-hidden />}
            disableRightSectionRotation
            onClick={() => onChoose(component.name, offer.name)}
          />
          {offer.help?.link && <Help of={offer.title || offer.name} link={offer.help.link} />}
        </Group>
      ))}
    </section>
  );
}

function Help({ of, link }: { of: string; link: string }) {
  return (
    <Anchor href={link} target="_blank" rel="noreferrer" size="xs" underline="always" aria-label={`Help for ${of}`}>
      Help
    </Anchor>
  );
}

/** From what has the focus to the next that can have it, the search included. */
function step(within: HTMLElement, by: number): void {
  const all = [...within.querySelectorAll<HTMLElement>("[data-offer]")].map((each) =>
    each.matches("input, button") ? each : each.querySelector<HTMLElement>("input"),
  );
  const at = all.indexOf(document.activeElement as HTMLElement);
  all[Math.min(Math.max(at + by, 0), all.length - 1)]?.focus();
}
