import Database from 'better-sqlite3';
import fs from 'node:fs';
import path from 'node:path';

import { ASSISTANT_NAME, STORE_DIR } from './config.js';
import type { Groups, NewMessage, RegisteredGroup, Task } from './types.js';
import { CONTRACT } from './version.js';

const SCHEMA = `
CREATE TABLE IF NOT EXISTS chats (
  jid TEXT PRIMARY KEY, name TEXT, last_message_time TEXT, channel TEXT, is_group INTEGER DEFAULT 0);
CREATE TABLE IF NOT EXISTS messages (
  id TEXT, chat_jid TEXT, sender TEXT, sender_name TEXT, content TEXT, timestamp TEXT,
  is_from_me INTEGER, is_bot_message INTEGER DEFAULT 0,
  PRIMARY KEY (id, chat_jid), FOREIGN KEY (chat_jid) REFERENCES chats(jid));
CREATE TABLE IF NOT EXISTS scheduled_tasks (
  id TEXT PRIMARY KEY, group_folder TEXT NOT NULL, chat_jid TEXT NOT NULL, prompt TEXT NOT NULL,
  schedule_type TEXT NOT NULL, schedule_value TEXT NOT NULL, next_run TEXT, last_run TEXT,
  last_result TEXT, status TEXT DEFAULT 'active', created_at TEXT NOT NULL,
  context_mode TEXT DEFAULT 'isolated');
CREATE TABLE IF NOT EXISTS task_run_logs (
  id INTEGER PRIMARY KEY AUTOINCREMENT, task_id TEXT NOT NULL, run_at TEXT NOT NULL,
  duration_ms INTEGER NOT NULL, status TEXT NOT NULL, result TEXT, error TEXT,
  FOREIGN KEY (task_id) REFERENCES scheduled_tasks(id));
CREATE TABLE IF NOT EXISTS router_state (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS sessions (group_folder TEXT PRIMARY KEY, session_id TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS registered_groups (
  jid TEXT PRIMARY KEY, name TEXT NOT NULL, folder TEXT NOT NULL UNIQUE,
  trigger_pattern TEXT NOT NULL, added_at TEXT NOT NULL, container_config TEXT,
  requires_trigger INTEGER DEFAULT 1);
`;
const ADDITIONS = [
  'ALTER TABLE scheduled_tasks ADD COLUMN script TEXT',
  'ALTER TABLE registered_groups ADD COLUMN is_main INTEGER DEFAULT 0',
  'ALTER TABLE messages ADD COLUMN reply_to_message_id TEXT',
];

type Row = Record<string, string | number | null>;
let db: Database.Database;

/** Open store/messages.db; the program itself makes and alters its tables at each start. */
export function initDatabase(): void {
  fs.mkdirSync(STORE_DIR, { recursive: true });
  db = new Database(path.join(STORE_DIR, 'messages.db'));
  db.exec(SCHEMA);
  for (const addition of CONTRACT === 'v1.2' ? ADDITIONS : []) {
    try {
      db.exec(addition);
    } catch {
      // The column is there already.
    }
  }
}

export function getRouterState(key: string): string | undefined {
  const row = db.prepare('SELECT value FROM router_state WHERE key = ?').get(key) as Row;
  return row?.value as string | undefined;
}

export function setRouterState(key: string, value: string): void {
  db.prepare('INSERT OR REPLACE INTO router_state VALUES (?, ?)').run(key, value);
}

export function getAllSessions(): Record<string, string> {
  const rows = db.prepare('SELECT * FROM sessions').all() as Row[];
  return Object.fromEntries(rows.map((row) => [row.group_folder, row.session_id as string]));
}

export function setSession(folder: string, id: string): void {
  db.prepare('INSERT OR REPLACE INTO sessions VALUES (?, ?)').run(folder, id);
}

export function getAllRegisteredGroups(): Groups {
  const rows = db.prepare('SELECT * FROM registered_groups').all() as Row[];
  const groups = rows.map((row) => [
    row.jid,
    {
      name: row.name,
      folder: row.folder,
      trigger: row.trigger_pattern,
      added_at: row.added_at,
      requiresTrigger: row.requires_trigger !== 0,
      isMain: CONTRACT === 'v1.2' ? row.is_main === 1 : row.folder === 'main',
      containerConfig: row.container_config ? JSON.parse(String(row.container_config)) : undefined,
    },
  ]);
  return Object.fromEntries(groups) as Groups;
}

export function setRegisteredGroup(jid: string, group: RegisteredGroup): void {
  const config = group.containerConfig ? JSON.stringify(group.containerConfig) : null;
  db.prepare(
    `INSERT OR REPLACE INTO registered_groups
     (jid, name, folder, trigger_pattern, added_at, container_config, requires_trigger)
     VALUES (?, ?, ?, ?, ?, ?, ?)`,
  ).run(jid, group.name, group.folder, group.trigger, group.added_at, config,
    group.requiresTrigger === false ? 0 : 1);
  if (CONTRACT === 'v1.2') {
    db.prepare('UPDATE registered_groups SET is_main = ? WHERE jid = ?')
      .run(group.isMain ? 1 : 0, jid);
  }
}

export function storeChatMetadata(
  jid: string,
  timestamp: string,
  name = jid,
  channel: string | null = null,
  isGroup = false,
): void {
  db.prepare(
    `INSERT INTO chats VALUES (?, ?, ?, ?, ?) ON CONFLICT(jid) DO UPDATE SET
     name = excluded.name, last_message_time = excluded.last_message_time`,
  ).run(jid, name, timestamp, channel, isGroup ? 1 : 0);
}

export function getAllChats(): Row[] {
  return db.prepare('SELECT * FROM chats ORDER BY last_message_time DESC').all() as Row[];
}

/** Its chat must be known: foreign keys are enforced. */
export function storeMessage(message: NewMessage): void {
  db.prepare(
    `INSERT OR REPLACE INTO messages
     (id, chat_jid, sender, sender_name, content, timestamp, is_from_me, is_bot_message)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
  ).run(message.id, message.chat_jid, message.sender, message.sender_name, message.content,
    message.timestamp, message.is_from_me ? 1 : 0, message.is_bot_message ? 1 : 0);
}

/** Return what people wrote in a chat after a time, oldest first; not what looks like an answer. */
export function getMessagesSince(jid: string, timestamp: string): NewMessage[] {
  return db
    .prepare(
      `SELECT id, chat_jid, sender, sender_name, content, timestamp FROM messages
       WHERE chat_jid = ? AND timestamp > ? AND is_bot_message = 0 AND content != ''
       AND content NOT LIKE ? ORDER BY timestamp`,
    )
    .all(jid, timestamp, `${ASSISTANT_NAME}:%`) as NewMessage[];
}

export function getAllTasks(): Task[] {
  return db.prepare('SELECT * FROM scheduled_tasks').all() as Task[];
}

export function createTask(task: Task): void {
  db.prepare(
    `INSERT INTO scheduled_tasks
     (id, group_folder, chat_jid, prompt, schedule_type, schedule_value, next_run, status,
      created_at, context_mode) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  ).run(task.id, task.group_folder, task.chat_jid, task.prompt, task.schedule_type,
    task.schedule_value, task.next_run, task.status, new Date().toISOString(), task.context_mode);
}

export function deleteTask(id: string): void {
  db.prepare('DELETE FROM task_run_logs WHERE task_id = ?').run(id);
  db.prepare('DELETE FROM scheduled_tasks WHERE id = ?').run(id);
}

export function updateTask(id: string, status: Task['status'], nextRun?: string | null): void {
  db.prepare('UPDATE scheduled_tasks SET status = ? WHERE id = ?').run(status, id);
  if (nextRun !== undefined) {
    db.prepare('UPDATE scheduled_tasks SET next_run = ? WHERE id = ?').run(nextRun, id);
  }
}

export function logTaskRun(
  id: string,
  began: number,
  result: string | null,
  error: string | null,
): void {
  const at = new Date().toISOString();
  db.prepare(
    `INSERT INTO task_run_logs (task_id, run_at, duration_ms, status, result, error)
     VALUES (?, ?, ?, ?, ?, ?)`,
  ).run(id, at, Date.now() - began, error ? 'error' : 'success', result, error);
  db.prepare('UPDATE scheduled_tasks SET last_run = ?, last_result = ? WHERE id = ?')
    .run(at, error ?? result, id);
}
