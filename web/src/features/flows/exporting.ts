import { documentOf, type Flow } from "@/api/flows";

/** Hand somebody the text of a flow, its draft or else its newest version, as a file. */
export async function exportOne(flow: Flow): Promise<void> {
  hand(`${flow.name}.yaml`, new Blob([await documentOf(flow)], { type: "application/yaml" }));
}

/** Hand somebody all of these in one archive, a file each. */
export async function exportAll(flows: readonly Flow[]): Promise<void> {
  const { strToU8, zipSync } = await import("fflate");
  const files = await Promise.all(
    flows.map(async (flow): Promise<[string, Uint8Array]> => [`${flow.name}.yaml`, strToU8(await documentOf(flow))]),
  );
  hand("flows.zip", new Blob([new Uint8Array(zipSync(Object.fromEntries(files)))], { type: "application/zip" }));
}

function hand(name: string, content: Blob): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}
