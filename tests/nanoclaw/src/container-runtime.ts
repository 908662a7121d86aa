import { execFileSync } from 'node:child_process';
import os from 'node:os';

import { logger } from './logger.js';
import { CONTRACT } from './version.js';

export const CONTAINER_RUNTIME_BIN = 'docker';

export interface Mount {
  source: string;
  target: string;
  readonly: boolean;
}

/** Return the words of `run` for a mount. */
export function mountArgs(mount: Mount): string[] {
  return ['-v', `${mount.source}:${mount.target}${mount.readonly ? ':ro' : ''}`];
}

/** On Linux a container does not know its host's name by itself. */
export function hostGatewayArgs(): string[] {
  const needed = CONTRACT === 'v1.2' && os.platform() === 'linux';
  return needed ? ['--add-host=host.docker.internal:host-gateway'] : [];
}

/** End the program unless the runtime answers; nothing has been written by then. */
export function ensureRuntime(): void {
  try {
    execFileSync(CONTAINER_RUNTIME_BIN, ['info'], { stdio: 'pipe', timeout: 10_000 });
  } catch (err) {
    logger.error({ err }, 'Failed to reach container runtime');
    console.error('\nFATAL: Container runtime failed to start\n');
    throw new Error('Container runtime is required but failed to start');
  }
}

export function stopContainer(name: string): void {
  const grace = CONTRACT === 'v1.2' ? ['-t', '1'] : [];
  execFileSync(CONTAINER_RUNTIME_BIN, ['stop', ...grace, name], { stdio: 'pipe' });
}

/** Stop what an earlier life of this program left running. */
export function cleanupOrphans(): void {
  try {
    const filter = ['ps', '--filter', 'name=nanoclaw-', '--format', '{{.Names}}'];
    const names = execFileSync(CONTAINER_RUNTIME_BIN, filter, { encoding: 'utf8' })
      .split('\n')
      .filter(Boolean);
    for (const name of names) {
      try {
        stopContainer(name);
      } catch {
        // It stopped by itself.
      }
    }
    if (names.length > 0) logger.info({ count: names.length, names }, 'Stopped orphaned containers');
  } catch (err) {
    logger.warn({ err }, 'Failed to clean up orphaned containers');
  }
}
