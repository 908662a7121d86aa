import { execFileSync } from 'node:child_process';

import { logger } from './logger.js';

export const CONTAINER_RUNTIME_BIN = 'container';

export interface Mount {
  source: string;
  target: string;
  readonly: boolean;
}

/** Apple's `container` mounts read-only things by --mount, the others by -v. */
export function mountArgs(mount: Mount): string[] {
  return mount.readonly
    ? ['--mount', `type=bind,source=${mount.source},target=${mount.target},readonly`]
    : ['-v', `${mount.source}:${mount.target}`];
}

export function hostGatewayArgs(): string[] {
  return [];
}

/** End the program unless the runtime runs or can be started. */
export function ensureRuntime(): void {
  try {
    execFileSync(CONTAINER_RUNTIME_BIN, ['system', 'status'], { stdio: 'pipe' });
  } catch {
    try {
      execFileSync(CONTAINER_RUNTIME_BIN, ['system', 'start'], { stdio: 'pipe', timeout: 30_000 });
    } catch (err) {
      logger.error({ err }, 'Failed to start container system');
      console.error('\nFATAL: Apple Container system failed to start\n');
      throw new Error('Apple Container system is required but failed to start');
    }
  }
}

export function stopContainer(name: string): void {
  execFileSync(CONTAINER_RUNTIME_BIN, ['stop', name], { stdio: 'pipe' });
}

/** Stop what an earlier life of this program left running. */
export function cleanupOrphans(): void {
  try {
    const text = execFileSync(CONTAINER_RUNTIME_BIN, ['ls', '--format', 'json'], {
      encoding: 'utf8',
    });
    const found = JSON.parse(text || '[]') as { status: string; configuration: { id: string } }[];
    for (const { status, configuration } of found) {
      if (status === 'running' && configuration.id.startsWith('nanoclaw-')) {
        stopContainer(configuration.id);
      }
    }
  } catch (err) {
    logger.warn({ err }, 'Failed to clean up orphaned containers');
  }
}
