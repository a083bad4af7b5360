import { Crm, type Credentials } from '../crm';
import type { Context, Message, MetaModel } from '../platform';

type Cfg = Credentials & { objectType: string; lookupField: string; allowEmptyResult?: boolean };

export async function process(this: Context, msg: Message, cfg: Cfg): Promise<Message> {
  const value = msg.body[cfg.lookupField];
  const found = await new Crm(cfg).find(cfg.objectType, cfg.lookupField, value);
  if (found.length > 1) throw new Error(`${found.length} objects have ${cfg.lookupField} '${value}'`);
  if (!found.length && !cfg.allowEmptyResult) throw new Error(`No object has ${cfg.lookupField} '${value}'`);
  return { body: found[0] ?? {} };
}

export const getObjectTypes = (cfg: Credentials): Promise<Record<string, string>> => new Crm(cfg).types();

/** Fields that no two objects of the type share. */
export async function getLookupFields(cfg: Cfg): Promise<Record<string, string>> {
  const fields = await new Crm(cfg).fields(cfg.objectType);
  return Object.fromEntries(fields.filter(({ unique }) => unique).map(({ name, title }) => [name, title]));
}

export async function getMetaModel(cfg: Cfg): Promise<MetaModel> {
  const out = await new Crm(cfg).schema(cfg.objectType);
  const by = out.properties?.[cfg.lookupField];
  return { in: { type: 'object', properties: by && { [cfg.lookupField]: { ...by, required: true } } }, out };
}
