import { Crm, type Credentials } from './crm';
import type { Context } from './platform';

export default async function verifyCredentials(
  this: Context,
  credentials: Credentials,
): Promise<{ verified: boolean }> {
  const { name } = await new Crm(credentials).me();
  this.logger.info('signed in as %s', name);
  return { verified: true };
}
