import { sha256 } from '../resources/file.ts';
import type { Resource } from '../resources/index.ts';
import { keyOf } from '../resources/index.ts';
import { STAGES, type Stage } from '../resources/kind.ts';

/** A resource with the stage at which it is brought about. */
export interface StagedResource {
  stage: Stage;
  resource: Resource;
  /** It left the inventory: the resource brings back what was there before, in the subtractive half of the order. */
  leaving?: boolean;
}

/** What lvsctl recorded of one resource that it manages on a host. */
export interface ManifestEntry {
  key: string;
  stage: Stage;
  /** The resource; without a file's content, whose hash stands in `sha256`. */
  resource: Resource;
  sha256?: string;
  /** The state observed before lvsctl changed it for the first time; absent where it never had to. */
  before?: unknown;
}

/** The record on each host of what lvsctl manages there. A cache of intent: what is true is read from the host. */
export interface Manifest {
  version: 1;
  cluster: string;
  entries: ManifestEntry[];
}

/** Reads a manifest as found on a host; anything that isn't one counts as none (it is never needed for "no changes"). */
export function parseManifest(value: unknown): Manifest | undefined {
  if (!isRecord(value) || value.version !== 1 || typeof value.cluster !== 'string' || !Array.isArray(value.entries)) {
    return undefined;
  }
  const entries = value.entries.filter(isEntry);
  return entries.length === value.entries.length ? { version: 1, cluster: value.cluster, entries } : undefined;
}

function isEntry(value: unknown): value is ManifestEntry {
  return (
    isRecord(value) &&
    typeof value.key === 'string' &&
    STAGES.some((stage) => stage === value.stage) &&
    isRecord(value.resource) &&
    typeof value.resource.kind === 'string'
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

/** The manifest to record: everything desired, with the earliest known state from before. */
export function makeManifest(
  cluster: string,
  desired: readonly StagedResource[],
  previous: Manifest | undefined,
  firstBefore: ReadonlyMap<string, unknown>,
): Manifest {
  const earlier = new Map(previous?.entries.map((entry) => [entry.key, entry]));
  const entries = desired.filter(isKept).map(({ stage, resource }): ManifestEntry => {
    const key = keyOf(resource);
    const before = earlier.get(key)?.before ?? firstBefore.get(key);
    return {
      key,
      stage,
      resource: withoutContent(resource),
      ...(resource.kind === 'file' && resource.state === 'present' ? { sha256: sha256(resource.content) } : {}),
      ...(before === undefined ? {} : { before }),
    };
  });
  return { version: 1, cluster, entries };
}

function isKept({ leaving }: StagedResource): boolean {
  return leaving !== true;
}

function withoutContent(resource: Resource): Resource {
  switch (resource.kind) {
    case 'file':
      return resource.state === 'present' ? { ...resource, content: '' } : resource;
    case 'connection':
      return { ...resource, profile: { ...resource.profile, content: '' } };
    case 'package':
    case 'module':
    case 'sysctl':
    case 'ipvs':
    case 'service':
      return resource;
  }
}

/**
 * What lvsctl managed on a host and the inventory no longer asks for, as resources that take it away: rules go, files
 * that weren't there before go, sysctls get their earlier value. Packages, modules, services and files that lvsctl
 * found there stay as they are; a VIP leaves its device because the roles ask for the device without it.
 */
export function removals(manifest: Manifest | undefined, desired: readonly StagedResource[]): StagedResource[] {
  if (manifest === undefined) return [];
  const wanted = new Set(desired.map(({ resource }) => keyOf(resource)));
  return manifest.entries.flatMap((entry): StagedResource[] => {
    if (wanted.has(entry.key)) return [];
    const gone = absent(entry);
    return gone === undefined ? [] : [{ stage: entry.stage, resource: gone, leaving: true }];
  });
}

function absent({ resource, before }: ManifestEntry): Resource | undefined {
  switch (resource.kind) {
    case 'file':
      return isRecord(before) && before.type === 'absent'
        ? { kind: 'file', path: resource.path, state: 'absent' }
        : undefined;
    case 'ipvs': {
      const { protocol, address, port } = resource;
      return { kind: 'ipvs', state: 'absent', protocol, address, port };
    }
    case 'sysctl':
      return isRecord(before) && typeof before.value === 'string' ? { ...resource, value: before.value } : undefined;
    case 'connection':
    case 'package':
    case 'module':
    case 'service':
      return undefined;
  }
}
