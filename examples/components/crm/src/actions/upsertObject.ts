import { Crm, type Credentials } from '../crm';
import type { Context, Message, MetaModel } from '../platform';

type Cfg = Credentials & { objectType: string };

export async function process(this: Context, msg: Message, cfg: Cfg): Promise<void> {
  const saved = await new Crm(cfg).save(cfg.objectType, msg.body);
  this.logger.info('saved %s %s', cfg.objectType, saved.id);
  await this.emit('data', { body: saved });
}

export const getObjectTypes = (cfg: Credentials): Promise<Record<string, string>> => new Crm(cfg).types();

export async function getMetaModel(cfg: Cfg): Promise<MetaModel> {
  const schema = await new Crm(cfg).schema(cfg.objectType);
  return { in: schema, out: schema };
}
