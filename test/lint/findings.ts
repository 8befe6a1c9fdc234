import { join } from 'node:path';
import { LvsctlError, type Problem } from '../../src/errors/index.ts';
import { loadClusters } from '../../src/inventory/index.ts';
import { lint } from '../../src/lint/index.ts';
import { rehearse } from '../../src/roles/index.ts';
import { folder } from '../inventory/files.ts';

/** What examples name beside them. */
const BESIDE = { 'check.sh': '#!/bin/sh\n', 'tomcat.tar.gz': 'an archive' };

/** What an inventory text is met with: errors of loading and of its templates, or what the rules find. */
export function findingsIn(text: string): { code: string; severity: string; at: string; what: string }[] {
  const path = join(folder({ ...BESIDE, 'lvs.yaml': text }), 'lvs.yaml');
  try {
    const loaded = loadClusters([path]);
    for (const { cluster, document } of loaded) rehearse(cluster, document);
    return lint(loaded).map(seen);
  } catch (error) {
    if (!(error instanceof LvsctlError)) throw error;
    return error.problems.map(seen);
  }
}

function seen({ code, severity = 'error', place, what }: Problem) {
  const at = place.kind === 'file' && place.line !== undefined ? `${place.line}:${place.column}` : '';
  return { code, severity, at, what };
}
