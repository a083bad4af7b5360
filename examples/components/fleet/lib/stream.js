/** Server-sent events of `url`, from the one after `lastId` on: `{ id, data }`. */
export async function* events(url, { lastId, signal }) {
  const headers = { accept: 'text/event-stream', ...(lastId && { 'last-event-id': lastId }) };
  const response = await fetch(url, { headers, signal });
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);

  let rest = '';
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    const blocks = (rest + chunk).split('\n\n');
    rest = blocks.pop();
    for (const block of blocks) if (block.includes('data:')) yield parsed(block);
  }
}

function parsed(block) {
  const fields = Object.fromEntries(block.split('\n').map((line) => line.split(/: ?(.*)/s, 2)));
  return { id: fields.id, data: JSON.parse(fields.data) };
}
