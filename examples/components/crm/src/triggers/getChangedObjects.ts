import { Crm, type Credentials } from '../crm';
import type { Context, Message, MetaModel } from '../platform';

type Cfg = Credentials & { objectType: string; pageSize?: string };
type Snapshot = { changed?: number };

export async function process(this: Context, _msg: Message, cfg: Cfg, snapshot: Snapshot): Promise<void> {
  const crm = new Crm(cfg);
  const pageSize = Number(cfg.pageSize) || 100;
  let changed = snapshot.changed ?? 0;
  for (;;) {
    const page = await crm.changedSince(cfg.objectType, changed, pageSize);
    this.logger.debug('%d objects since %d', page.length, changed);
    for (const object of page) {
      await this.emit('data', { id: `${object.id}-${object.changed}`, body: object });
      changed = object.changed;
      await this.emit('updateSnapshot', { changed });
    }
    if (page.length < pageSize) return;
  }
}

export const getObjectTypes = (cfg: Credentials): Promise<Record<string, string>> => new Crm(cfg).types();

export async function getMetaModel(cfg: Cfg): Promise<MetaModel> {
  return { out: await new Crm(cfg).schema(cfg.objectType) };
}
