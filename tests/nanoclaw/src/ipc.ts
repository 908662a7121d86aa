import { CronExpressionParser } from 'cron-parser';
import fs from 'node:fs';
import path from 'node:path';

import { DATA_DIR, IPC_POLL_INTERVAL, TIMEZONE } from './config.js';
import type { Store } from './db.js';
import { logger } from './logger.js';
import type { Group, Task } from './types.js';

export const FOLDER = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;

export interface Powers {
  store: Store;
  groups: () => Group[];
  register: (group: Group) => void;
  send: (jid: string, text: string) => Promise<void>;
  changed: () => void;
}

type Asked = Record<string, never> & { type?: string };

/** Return when a task is due next; null when it never is. Throws on a value that is none. */
export function nextRun(type: Task['schedule_type'], value: string, after = Date.now()) {
  if (type === 'cron') {
    return CronExpressionParser.parse(value, { tz: TIMEZONE }).next().toISOString();
  }
  const number = type === 'interval' ? after + Number.parseInt(value, 10) : Date.parse(value);
  return new Date(number).toISOString();
}

function schedule(asked: Asked, own: Group, powers: Powers): void {
  const target = powers.groups().find((one) => one.jid === asked.targetJid) ?? own;
  if (!own.isMain && target.folder !== own.folder) {
    logger.warn({ sourceGroup: own.folder }, 'Unauthorized schedule_task attempt blocked');
    return;
  }
  powers.store.addTask({
    id: `task-${Date.now()}-${Math.random().toString(36).slice(2, 8)}`,
    group_folder: target.folder,
    chat_jid: target.jid,
    prompt: asked.prompt,
    schedule_type: asked.schedule_type,
    schedule_value: asked.schedule_value,
    next_run: nextRun(asked.schedule_type, asked.schedule_value),
    status: 'active',
    context_mode: asked.context_mode === 'group' ? 'group' : 'isolated',
  });
  logger.info({ sourceGroup: own.folder, target: target.folder }, 'Task created via IPC');
}

function change(asked: Asked, own: Group, powers: Powers): void {
  const task = powers.store.tasks().find((one) => one.id === asked.taskId);
  if (!task || (!own.isMain && task.group_folder !== own.folder)) {
    logger.warn({ taskId: asked.taskId, sourceGroup: own.folder }, 'Unauthorized task attempt');
    return;
  }
  const states = { pause_task: 'paused', resume_task: 'active', cancel_task: 'deleted' } as const;
  powers.store.setTask(task.id, states[asked.type as keyof typeof states]);
}

function registerGroup(asked: Asked, own: Group, powers: Powers): void {
  if (!own.isMain) {
    logger.warn({ sourceGroup: own.folder }, 'Unauthorized register_group attempt blocked');
    return;
  }
  powers.register({
    jid: asked.jid,
    name: asked.name,
    folder: asked.folder,
    trigger: asked.trigger,
    requiresTrigger: asked.requiresTrigger ?? true,
    isMain: false,
    containerConfig: asked.containerConfig,
  });
}

async function message(asked: Asked, own: Group | undefined, powers: Powers): Promise<void> {
  if (asked.type !== 'message' || !asked.chatJid || !asked.text) return;
  const target = powers.groups().find((one) => one.jid === asked.chatJid);
  if (own?.isMain || (own && target?.folder === own.folder)) {
    await powers.send(asked.chatJid, asked.text);
    logger.info({ chatJid: asked.chatJid, sourceGroup: own.folder }, 'IPC message sent');
  } else {
    logger.warn({ chatJid: asked.chatJid }, 'Unauthorized IPC message attempt blocked');
  }
}

async function task(asked: Asked, own: Group | undefined, powers: Powers): Promise<void> {
  if (!own) return;
  if (asked.type === 'schedule_task') schedule(asked, own, powers);
  else if (asked.type === 'register_group') registerGroup(asked, own, powers);
  else if (asked.type === 'refresh_groups') powers.changed();
  else if (/^(pause|resume|cancel)_task$/.test(asked.type ?? '')) change(asked, own, powers);
  else logger.warn({ type: asked.type }, 'Unknown IPC task type');
  powers.changed();
}

/** Take the files of one folder; whose it is says who speaks. What fails goes to errors/. */
async function drain(
  folder: string,
  kind: string,
  handle: (asked: Asked) => Promise<void>,
): Promise<void> {
  const place = path.join(DATA_DIR, 'ipc', folder, kind);
  const files = fs.existsSync(place) ? fs.readdirSync(place) : [];
  for (const name of files.filter((one) => one.endsWith('.json'))) {
    const file = path.join(place, name);
    try {
      await handle(JSON.parse(fs.readFileSync(file, 'utf8')) as Asked);
      fs.unlinkSync(file);
    } catch (err) {
      logger.error({ file: name, sourceGroup: folder, err }, 'Error processing IPC message');
      const errors = path.join(DATA_DIR, 'ipc', 'errors');
      fs.mkdirSync(errors, { recursive: true });
      fs.renameSync(file, path.join(errors, `${folder}-${name}`));
    }
  }
}

export function startIpcWatcher(powers: Powers): void {
  const base = path.join(DATA_DIR, 'ipc');
  fs.mkdirSync(base, { recursive: true });
  const look = async (): Promise<void> => {
    for (const folder of fs.readdirSync(base)) {
      if (folder === 'errors' || !fs.statSync(path.join(base, folder)).isDirectory()) continue;
      const own = powers.groups().find((one) => one.folder === folder);
      try {
        await drain(folder, 'messages', (asked) => message(asked, own, powers));
        await drain(folder, 'tasks', (asked) => task(asked, own, powers));
      } catch (err) {
        logger.error({ err, sourceGroup: folder }, 'Error reading IPC directory');
      }
    }
    setTimeout(() => void look(), IPC_POLL_INTERVAL);
  };
  void look();
  logger.info('IPC watcher started (per-group namespaces)');
}
