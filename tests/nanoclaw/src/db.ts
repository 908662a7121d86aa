import Database from 'better-sqlite3';
import fs from 'node:fs';
import path from 'node:path';

import { STORE_DIR } from './config.js';
import type { Group, Message, Task } from './types.js';
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

/** store/messages.db, made and altered by the program itself at each start. */
export class Store {
  private readonly db: Database.Database;

  constructor() {
    fs.mkdirSync(STORE_DIR, { recursive: true });
    this.db = new Database(path.join(STORE_DIR, 'messages.db'));
    this.db.exec(SCHEMA);
    for (const addition of CONTRACT === 'v1.2' ? ADDITIONS : []) {
      try {
        this.db.exec(addition);
      } catch {
        // The column is there already.
      }
    }
  }

  state(key: string): string | undefined {
    const row = this.db.prepare('SELECT value FROM router_state WHERE key = ?').get(key) as Row;
    return row?.value as string | undefined;
  }

  setState(key: string, value: string): void {
    this.db.prepare('INSERT OR REPLACE INTO router_state VALUES (?, ?)').run(key, value);
  }

  sessions(): Record<string, string> {
    const rows = this.db.prepare('SELECT * FROM sessions').all() as Row[];
    return Object.fromEntries(rows.map((row) => [row.group_folder, row.session_id as string]));
  }

  setSession(folder: string, id: string): void {
    this.db.prepare('INSERT OR REPLACE INTO sessions VALUES (?, ?)').run(folder, id);
  }

  groups(): Group[] {
    const rows = this.db.prepare('SELECT * FROM registered_groups').all() as Row[];
    return rows.map((row) => ({
      jid: row.jid as string,
      name: row.name as string,
      folder: row.folder as string,
      trigger: row.trigger_pattern as string,
      requiresTrigger: row.requires_trigger !== 0,
      isMain: CONTRACT === 'v1.2' ? row.is_main === 1 : row.folder === 'main',
      containerConfig: row.container_config
        ? JSON.parse(row.container_config as string)
        : undefined,
    }));
  }

  register(group: Group): void {
    const config = group.containerConfig ? JSON.stringify(group.containerConfig) : null;
    this.db
      .prepare(
        `INSERT OR REPLACE INTO registered_groups
         (jid, name, folder, trigger_pattern, added_at, container_config, requires_trigger)
         VALUES (?, ?, ?, ?, ?, ?, ?)`,
      )
      .run(group.jid, group.name, group.folder, group.trigger, new Date().toISOString(), config,
        group.requiresTrigger ? 1 : 0);
    if (CONTRACT === 'v1.2') {
      this.db
        .prepare('UPDATE registered_groups SET is_main = ? WHERE jid = ?')
        .run(group.isMain ? 1 : 0, group.jid);
    }
  }

  chat(jid: string, name: string, channel: string, isGroup: boolean): void {
    this.db
      .prepare('INSERT OR REPLACE INTO chats VALUES (?, ?, ?, ?, ?)')
      .run(jid, name, new Date().toISOString(), channel, isGroup ? 1 : 0);
  }

  chats(): Row[] {
    return this.db.prepare('SELECT * FROM chats ORDER BY last_message_time DESC').all() as Row[];
  }

  keep(message: Message, fromBot = false): void {
    this.db
      .prepare(
        `INSERT OR REPLACE INTO messages
         (id, chat_jid, sender, sender_name, content, timestamp, is_from_me, is_bot_message)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
      )
      .run(message.id, message.chatJid, message.sender, message.senderName, message.content,
        message.timestamp, fromBot ? 1 : 0, fromBot ? 1 : 0);
  }

  /** Return what people wrote in a chat after a time, oldest first. */
  since(jid: string, timestamp: string): Message[] {
    const rows = this.db
      .prepare(
        `SELECT * FROM messages WHERE chat_jid = ? AND timestamp > ? AND is_bot_message = 0
         ORDER BY timestamp`,
      )
      .all(jid, timestamp) as Row[];
    return rows.map((row) => ({
      id: row.id as string,
      chatJid: row.chat_jid as string,
      sender: row.sender as string,
      senderName: row.sender_name as string,
      content: row.content as string,
      timestamp: row.timestamp as string,
    }));
  }

  tasks(): Task[] {
    return this.db.prepare('SELECT * FROM scheduled_tasks').all() as Task[];
  }

  addTask(task: Task): void {
    this.db
      .prepare(
        `INSERT INTO scheduled_tasks
         (id, group_folder, chat_jid, prompt, schedule_type, schedule_value, next_run, status,
          created_at, context_mode) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      )
      .run(task.id, task.group_folder, task.chat_jid, task.prompt, task.schedule_type,
        task.schedule_value, task.next_run, task.status, new Date().toISOString(),
        task.context_mode);
  }

  setTask(id: string, status: Task['status'] | 'deleted', nextRun?: string | null): void {
    if (status === 'deleted') {
      this.db.prepare('DELETE FROM task_run_logs WHERE task_id = ?').run(id);
      this.db.prepare('DELETE FROM scheduled_tasks WHERE id = ?').run(id);
      return;
    }
    this.db.prepare('UPDATE scheduled_tasks SET status = ? WHERE id = ?').run(status, id);
    if (nextRun !== undefined) {
      this.db.prepare('UPDATE scheduled_tasks SET next_run = ? WHERE id = ?').run(nextRun, id);
    }
  }

  ran(id: string, began: number, result: string | null, error: string | null): void {
    const at = new Date().toISOString();
    this.db
      .prepare(
        `INSERT INTO task_run_logs (task_id, run_at, duration_ms, status, result, error)
         VALUES (?, ?, ?, ?, ?, ?)`,
      )
      .run(id, at, Date.now() - began, error ? 'error' : 'success', result, error);
    this.db
      .prepare('UPDATE scheduled_tasks SET last_run = ?, last_result = ? WHERE id = ?')
      .run(at, error ?? result, id);
  }
}
