import fs from 'node:fs';
import path from 'node:path';

import './channels/index.js';
import { factories } from './channels/registry.js';
import {
  ASSISTANT_NAME,
  DISCORD_BOT_TOKEN,
  DISCORD_ONLY,
  GROUPS_DIR,
  POLL_INTERVAL,
  WEB_WS_PORT,
} from './config.js';
import { cleanupOrphans, ensureRuntime } from './container-runtime.js';
import {
  getAllRegisteredGroups,
  initDatabase,
  setRegisteredGroup,
  storeChatMetadata,
  storeMessage,
} from './db.js';
import { startIpcWatcher } from './ipc.js';
import { logger } from './logger.js';
import { Router } from './router.js';
import { startSchedulerLoop } from './task-scheduler.js';
import type { Channel, ChannelOpts, Groups, RegisteredGroup } from './types.js';
import { CONTRACT } from './version.js';

const FOLDER = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;

const channels: Channel[] = [];
let registeredGroups: Groups = {};

function registerGroup(jid: string, group: RegisteredGroup): void {
  if (!FOLDER.test(group.folder) || group.folder === 'global') {
    logger.warn({ jid, folder: group.folder }, 'Rejecting group registration: invalid folder');
    return;
  }
  const place = path.join(GROUPS_DIR, group.folder);
  fs.mkdirSync(path.join(place, 'logs'), { recursive: true });
  const memory = path.join(place, 'CLAUDE.md');
  const template = path.join(GROUPS_DIR, group.isMain ? 'main' : 'global', 'CLAUDE.md');
  if (!fs.existsSync(memory) && fs.existsSync(template)) fs.copyFileSync(template, memory);
  registeredGroups[jid] = group;
  setRegisteredGroup(jid, group);
  logger.info({ jid, name: group.name, folder: group.folder }, 'Group registered');
}

async function sendMessage(jid: string, text: string): Promise<void> {
  const channel = channels.find((one) => one.ownsJid(jid));
  if (!channel) throw new Error(`No channel for JID: ${jid}`);
  await channel.sendMessage(jid, text);
}

async function main(): Promise<void> {
  ensureRuntime();
  cleanupOrphans();
  initDatabase();
  logger.info('Database initialized');
  registeredGroups = getAllRegisteredGroups();
  logger.info({ groupCount: Object.keys(registeredGroups).length }, 'State loaded');
  const router = new Router(() => registeredGroups, channels);

  const shutdown = async (signal: string): Promise<void> => {
    logger.info({ signal }, 'Shutdown signal received');
    router.queue.shutdown();
    for (const channel of channels) await channel.disconnect();
    process.exit(0);
  };
  process.on('SIGTERM', () => void shutdown('SIGTERM'));
  process.on('SIGINT', () => void shutdown('SIGINT'));

  const channelOpts: ChannelOpts = {
    onMessage: (jid, message) => {
      if (registeredGroups[jid]) storeMessage(message);
    },
    onChatMetadata: storeChatMetadata,
    registeredGroups: () => registeredGroups,
  };

  // Create and connect channels
  for (const [name, factory] of factories) {
    const channel = factory(channelOpts);
    if (!channel) {
      logger.warn({ channel: name }, 'Channel installed but credentials missing — skipping.');
      continue;
    }
    channels.push(channel);
    await channel.connect();
  }
  if (channels.length === 0) {
    logger.fatal('No channels connected');
    process.exit(1);
  }

  // Everything else begins only when every channel is connected.
  startSchedulerLoop(router, sendMessage);
  startIpcWatcher({
    registeredGroups: () => registeredGroups,
    registerGroup,
    sendMessage,
    changed: () => router.snapshots(),
  });
  router.recover();
  const word = CONTRACT === 'v1.2' ? 'default trigger' : 'trigger';
  logger.info(`NanoClaw running (${word}: @${ASSISTANT_NAME})`);
  setInterval(() => router.look(), POLL_INTERVAL);
}

main().catch((err) => {
  logger.error({ err }, 'Failed to start NanoClaw');
  process.exit(1);
});
