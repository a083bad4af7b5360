import type { Schema } from './platform';

export interface Credentials {
  baseUri: string;
  auth: { type: 'basic'; basic: { username: string; password: string } };
}

export interface CrmObject extends Record<string, unknown> {
  id: string;
  changed: number;
}

interface Field {
  name: string;
  title: string;
  type: string;
  unique?: boolean;
}

/** The CRM's API, as far as it is used here. */
export class Crm {
  constructor(private readonly cfg: Credentials) {}

  me(): Promise<{ name: string }> {
    return this.call('GET', '/me');
  }

  async types(): Promise<Record<string, string>> {
    const types = await this.call<{ name: string; title: string }[]>('GET', '/types');
    return Object.fromEntries(types.map(({ name, title }) => [name, title]));
  }

  fields(type: string): Promise<Field[]> {
    return this.call('GET', `/types/${type}`);
  }

  /** The schema of an object, without what only the CRM sets. */
  async schema(type: string): Promise<Schema> {
    const fields = await this.fields(type);
    const properties = fields.map(({ name, title, type: kind, unique }) => [
      name,
      { type: kind, title, required: unique },
    ]);
    return { type: 'object', properties: Object.fromEntries(properties) };
  }

  find(type: string, field: string, value: unknown): Promise<CrmObject[]> {
    return this.call('GET', `/objects/${type}?${field}=${encodeURIComponent(String(value))}`);
  }

  changedSince(type: string, changed: number, limit: number): Promise<CrmObject[]> {
    return this.call('GET', `/objects/${type}?since=${changed}&limit=${limit}`);
  }

  save(type: string, object: unknown): Promise<CrmObject> {
    return this.call('PUT', `/objects/${type}`, object);
  }

  private async call<Answer>(method: string, path: string, body?: unknown): Promise<Answer> {
    const { username, password } = this.cfg.auth.basic;
    const response = await fetch(this.cfg.baseUri + path, {
      method,
      headers: { authorization: `Basic ${btoa(`${username}:${password}`)}`, 'content-type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`${method} ${path}: the CRM answered ${response.status}`);
    return response.json();
  }
}
