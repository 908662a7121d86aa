import os from 'node:os';
import path from 'node:path';

import { readEnvFile } from './env.js';
import { CONTRACT } from './version.js';

const file = readEnvFile([
  'ASSISTANT_NAME',
  'TZ',
  'WEB_WS_PORT',
  'DISCORD_BOT_TOKEN',
  'DISCORD_ONLY',
]);
const root = process.cwd();

function number(name: string, otherwise: number): number {
  return Number.parseInt(process.env[name] ?? String(otherwise), 10);
}

/** The process's own environment comes before `.env`. */
export const ASSISTANT_NAME = process.env.ASSISTANT_NAME || file.ASSISTANT_NAME || 'Andy';
export const WEB_WS_PORT = Number(process.env.WEB_WS_PORT || file.WEB_WS_PORT || 0);
export const DISCORD_BOT_TOKEN = process.env.DISCORD_BOT_TOKEN || file.DISCORD_BOT_TOKEN || '';
export const DISCORD_ONLY = (process.env.DISCORD_ONLY || file.DISCORD_ONLY) === 'true';
export const TIMEZONE =
  process.env.TZ ||
  (CONTRACT === 'v1.2' && file.TZ) ||
  Intl.DateTimeFormat().resolvedOptions().timeZone;

/** Read from the process's environment only: in `.env` they do nothing. */
export const CONTAINER_IMAGE = process.env.CONTAINER_IMAGE || 'nanoclaw-agent:latest';
export const CONTAINER_TIMEOUT = number('CONTAINER_TIMEOUT', 1_800_000);
export const CONTAINER_MAX_OUTPUT_SIZE = number('CONTAINER_MAX_OUTPUT_SIZE', 10_485_760);
export const IDLE_TIMEOUT = number('IDLE_TIMEOUT', 1_800_000);
export const MAX_CONCURRENT_CONTAINERS = Math.max(1, number('MAX_CONCURRENT_CONTAINERS', 5));

/** The real one looks for messages every 2 s; a test need not wait that long. */
export const POLL_INTERVAL = 300;
export const IPC_POLL_INTERVAL = 1000;
export const SCHEDULER_POLL_INTERVAL = number('SCHEDULER_POLL_INTERVAL', 60_000);

export const PROJECT_ROOT = root;
export const STORE_DIR = path.join(root, 'store');
export const GROUPS_DIR = path.join(root, 'groups');
export const DATA_DIR = path.join(root, 'data');
export const MOUNT_ALLOWLIST_PATH = path.join(
  process.env.HOME || os.homedir(),
  '.config/nanoclaw/mount-allowlist.json',
);

export function trigger(word = `@${ASSISTANT_NAME}`): RegExp {
  return new RegExp(`^${word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}\\b`, 'i');
}
