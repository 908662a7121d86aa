import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

import { MOUNT_ALLOWLIST_PATH } from './config.js';
import type { Mount } from './container-runtime.js';
import { logger } from './logger.js';
import type { AdditionalMount, RegisteredGroup } from './types.js';

const ALWAYS_BLOCKED = [
  '.ssh', '.gnupg', '.gpg', '.aws', '.azure', '.gcloud', '.kube', '.docker', 'credentials', '.env',
  '.netrc', '.npmrc', '.pypirc', 'id_rsa', 'id_ed25519', 'private_key', '.secret',
];

interface Allowlist {
  allowedRoots: { path: string; allowReadWrite: boolean }[];
  blockedPatterns: string[];
  nonMainReadOnly: boolean;
}

let cached: Allowlist | null | undefined;

/** Read once: a file that is missing now stays missing until the next start. */
function allowlist(): Allowlist | null {
  if (cached !== undefined) return cached;
  try {
    const read = JSON.parse(fs.readFileSync(MOUNT_ALLOWLIST_PATH, 'utf8')) as Allowlist;
    if (!Array.isArray(read.allowedRoots)) throw new Error('allowedRoots must be an array');
    if (!Array.isArray(read.blockedPatterns)) throw new Error('blockedPatterns must be an array');
    if (typeof read.nonMainReadOnly !== 'boolean') {
      throw new Error('nonMainReadOnly must be a boolean');
    }
    cached = { ...read, blockedPatterns: [...ALWAYS_BLOCKED, ...read.blockedPatterns] };
  } catch (err) {
    logger.warn({ err, path: MOUNT_ALLOWLIST_PATH }, 'Mount allowlist unusable, mounts BLOCKED');
    cached = null;
  }
  return cached;
}

function expanded(place: string): string {
  return place === '~' || place.startsWith('~/') ? path.join(os.homedir(), place.slice(1)) : place;
}

function refusal(mount: AdditionalMount, list: Allowlist | null): string | Mount {
  if (!list) return 'no allowlist';
  const target = mount.containerPath ?? path.basename(mount.hostPath);
  if (!target || path.isAbsolute(target) || target.split('/').includes('..')) {
    return `invalid container path ${target}`;
  }
  let source: string;
  try {
    source = fs.realpathSync(expanded(mount.hostPath));
  } catch {
    return 'host path does not exist';
  }
  const blocked = list.blockedPatterns.find((one) =>
    source.split('/').some((part) => part.includes(one)),
  );
  if (blocked) return `path matches blocked pattern ${blocked}`;
  const root = list.allowedRoots.find((one) => {
    try {
      const inside = path.relative(fs.realpathSync(expanded(one.path)), source);
      return !inside.startsWith('..') && !path.isAbsolute(inside);
    } catch {
      return false;
    }
  });
  if (!root) return 'path is not under any allowed root';
  return { source, target: `/workspace/extra/${target}`, readonly: !root.allowReadWrite };
}

/** Return the mounts that the allowlist lets a group have; the others are logged and left out. */
export function validated(group: RegisteredGroup): Mount[] {
  const found: Mount[] = [];
  for (const wanted of group.containerConfig?.additionalMounts ?? []) {
    const mount = refusal(wanted, allowlist());
    if (typeof mount === 'string') {
      logger.warn({ group: group.name, path: wanted.hostPath, reason: mount }, 'Mount REJECTED');
      continue;
    }
    const forced = !group.isMain && allowlist()?.nonMainReadOnly === true;
    found.push({ ...mount, readonly: mount.readonly || forced || wanted.readonly !== false });
  }
  return found;
}
