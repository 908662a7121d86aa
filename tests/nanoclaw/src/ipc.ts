import { CronExpressionParser } from 'cron-parser';
import fs from 'node:fs';
import path from 'node:path';

import { DATA_DIR, IPC_POLL_INTERVAL, TIMEZONE } from './config.js';
import { createTask, deleteTask, getAllTasks, updateTask } from './db.js';
import { logger } from './logger.js';
import type { Groups, RegisteredGroup, Task } from './types.js';

interface Deps {
  registeredGroups: () => Groups;
  registerGroup: (jid: string, group: RegisteredGroup) => void;
  sendMessage: (jid: string, text: string) => Promise<void>;
  changed: () => void;
}

/** What an agent may write in a file; nothing of it is checked before it is used. */
type Asked = Record<string, never> & { type?: string };
/** The folder that a file was found in says who speaks. */
interface Source {
  folder: string;
  isMain: boolean;
}

/** Return when a task is due next. Throws on a value that is none. */
export function nextRun(type: Task['schedule_type'], value: string): string {
  if (type === 'cron') {
    return String(CronExpressionParser.parse(value, { tz: TIMEZONE }).next().toISOString());
  }
  const at = type === 'interval' ? Date.now() + Number.parseInt(value, 10) : Date.parse(value);
  return new Date(at).toISOString();
}

function schedule(asked: Asked, source: Source, deps: Deps): void {
  const target = deps.registeredGroups()[asked.targetJid];
  if (!target || (!source.isMain && target.folder !== source.folder)) {
    logger.warn({ sourceGroup: source.folder }, 'Unauthorized schedule_task attempt blocked');
    return;
  }
  createTask({
    id: `task-${Date.now()}-${Math.random().toString(36).slice(2, 8)}`,
    group_folder: target.folder,
    chat_jid: asked.targetJid,
    prompt: asked.prompt,
    schedule_type: asked.schedule_type,
    schedule_value: asked.schedule_value,
    next_run: nextRun(asked.schedule_type, asked.schedule_value),
    status: 'active',
    context_mode: asked.context_mode === 'group' ? 'group' : 'isolated',
  });
  logger.info({ sourceGroup: source.folder, target: target.folder }, 'Task created via IPC');
}

function change(asked: Asked, source: Source): void {
  const task = getAllTasks().find((one) => one.id === asked.taskId);
  if (!task || (!source.isMain && task.group_folder !== source.folder)) {
    logger.warn({ taskId: asked.taskId, sourceGroup: source.folder }, 'Unauthorized task attempt');
  } else if (asked.type === 'cancel_task') {
    deleteTask(task.id);
  } else {
    updateTask(task.id, asked.type === 'pause_task' ? 'paused' : 'active');
  }
}

function register(asked: Asked, source: Source, deps: Deps): void {
  if (!source.isMain) {
    logger.warn({ sourceGroup: source.folder }, 'Unauthorized register_group attempt blocked');
    return;
  }
  deps.registerGroup(asked.jid, {
    name: asked.name,
    folder: asked.folder,
    trigger: asked.trigger,
    added_at: new Date().toISOString(),
    containerConfig: asked.containerConfig,
    requiresTrigger: asked.requiresTrigger,
  });
}

async function message(asked: Asked, source: Source, deps: Deps): Promise<void> {
  if (asked.type !== 'message' || !asked.chatJid || !asked.text) return;
  const target = deps.registeredGroups()[asked.chatJid];
  if (source.isMain || target?.folder === source.folder) {
    await deps.sendMessage(asked.chatJid, asked.text);
    logger.info({ chatJid: asked.chatJid, sourceGroup: source.folder }, 'IPC message sent');
  } else {
    logger.warn({ chatJid: asked.chatJid }, 'Unauthorized IPC message attempt blocked');
  }
}

async function task(asked: Asked, source: Source, deps: Deps): Promise<void> {
  if (asked.type === 'schedule_task') schedule(asked, source, deps);
  else if (asked.type === 'register_group') register(asked, source, deps);
  else if (/^(pause|resume|cancel)_task$/.test(asked.type ?? '')) change(asked, source);
  else if (asked.type !== 'refresh_groups') logger.warn({ type: asked.type }, 'Unknown IPC task');
  deps.changed();
}

/** Take the files of one folder. What fails goes to errors/. */
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

export function startIpcWatcher(deps: Deps): void {
  const base = path.join(DATA_DIR, 'ipc');
  fs.mkdirSync(base, { recursive: true });
  const look = async (): Promise<void> => {
    for (const folder of fs.readdirSync(base)) {
      if (folder === 'errors' || !fs.statSync(path.join(base, folder)).isDirectory()) continue;
      const groups = Object.values(deps.registeredGroups());
      const isMain = groups.some((one) => one.folder === folder && one.isMain === true);
      const source = { folder, isMain };
      try {
        await drain(folder, 'messages', (asked) => message(asked, source, deps));
        await drain(folder, 'tasks', (asked) => task(asked, source, deps));
      } catch (err) {
        logger.error({ err, sourceGroup: folder }, 'Error reading IPC directory');
      }
    }
    setTimeout(() => void look(), IPC_POLL_INTERVAL);
  };
  void look();
  logger.info('IPC watcher started (per-group namespaces)');
}
