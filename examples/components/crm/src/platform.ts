/** What the platform gives and takes. */

export interface Message<Body = Record<string, unknown>> {
  id?: string;
  body: Body;
  headers?: Record<string, unknown>;
}

export interface Logger {
  info(text: string, ...values: unknown[]): void;
  debug(text: string, ...values: unknown[]): void;
}

/** `this` in triggers and actions. */
export interface Context {
  logger: Logger;
  emit(event: 'data', message: Message): Promise<void>;
  emit(event: 'updateSnapshot', changes: Record<string, unknown>): Promise<void>;
}

/** JSON Schemas of what a step takes and gives. */
export interface MetaModel {
  in?: Schema;
  out: Schema;
}

export interface Schema {
  type: string;
  properties?: Record<string, { type: string; title: string; required?: boolean }>;
}
