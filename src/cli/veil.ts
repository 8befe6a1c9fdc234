import { failure } from '../errors/index.ts';
import { makeVeil, type Veil } from '../host/veil.ts';
import { readKey } from '../host/veil-key.ts';
import type { Cluster } from '../inventory/model.ts';
import { readSecrets, type Secrets, secretDigest, secretsOf } from '../inventory/secrets.ts';
import type { Plan } from '../plan/plan.ts';

/** What stands between a run and its hosts' secrets, and what a plan says of them. */
export interface Secrecy {
  veil: Veil;
  /** Of each secret a keyed digest, by name. */
  digests: NonNullable<Plan['secrets']>;
}

/**
 * Reads the cluster's secrets.
 * @param needed false: what lvsctl wrote is only taken away again, so that nobody has to know them
 * @throws SECRET-UNSET and whatever else `readSecrets` and `readKey` throw
 */
export function secrecyOf(cluster: Cluster, needed = true): Secrecy {
  const secrets: Secrets = needed ? readSecrets(secretsOf(cluster)) : new Map();
  let known: Uint8Array | undefined;
  const key = () => {
    known ??= readKey();
    return known;
  };
  const digests = [...secrets].map(([name, value]) => ({ name, digest: secretDigest(key(), name, value) }));
  return { veil: makeVeil(secrets, key), digests };
}

/** A saved plan was agreed to with the secrets of its time. @throws SECRET-CHANGED */
export function refuseOtherSecrets(plan: Plan, { digests }: Secrecy): void {
  const now = new Map(digests.map(({ name, digest }) => [name, digest]));
  const changed = (plan.secrets ?? []).filter(({ name, digest }) => now.get(name) !== digest);
  if (changed.length === 0) return;
  throw failure({
    code: 'SECRET-CHANGED',
    place: { kind: 'file', file: plan.inventory.file },
    what: `${changed.map(({ name }) => name).join(', ')} is another secret now than when this plan was made (or it was made by somebody else)`,
    next: 'Nothing was changed. Make a new plan: lvsctl plan --out FILE.',
  });
}
