import type { ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

import { DATA_DIR, MAX_CONCURRENT_CONTAINERS } from './config.js';
import { logger } from './logger.js';

const MAX_RETRIES = 5;
const BASE_RETRY_MS = 5000;

interface State {
  folder: string;
  active: 'messages' | 'task' | null;
  idle: boolean;
  more: boolean;
  tasks: { id: string; run: () => Promise<void> }[];
  retries: number;
  child?: ChildProcess;
  name?: string;
}

/** One agent per group, a few at once; the rest waits. */
export class GroupQueue {
  private readonly states = new Map<string, State>();
  private ending = false;

  constructor(private readonly process: (folder: string) => Promise<boolean>) {}

  private state(folder: string): State {
    const fresh: State = { folder, active: null, idle: false, more: false, tasks: [], retries: 0 };
    const found = this.states.get(folder) ?? fresh;
    this.states.set(folder, found);
    return found;
  }

  /** Say that a group has messages. */
  messages(folder: string): void {
    this.state(folder).more = true;
    this.next();
  }

  /** Have a task run for a group; an idle agent is closed for it. */
  task(folder: string, id: string, run: () => Promise<void>): void {
    const state = this.state(folder);
    if (state.tasks.some((one) => one.id === id)) return;
    state.tasks.push({ id, run });
    if (state.idle) this.close(folder);
    this.next();
  }

  started(folder: string, child: ChildProcess, name: string): void {
    Object.assign(this.state(folder), { child, name });
  }

  /** Note that the agent waits for more. */
  waits(folder: string): void {
    const state = this.state(folder);
    state.idle = true;
    if (state.tasks.length > 0) this.close(folder);
  }

  /** Hand a message to the agent that runs; false when none does. */
  pipe(folder: string, text: string): boolean {
    const state = this.state(folder);
    if (state.active !== 'messages' || !state.child) return false;
    state.idle = false;
    const input = path.join(DATA_DIR, 'ipc', folder, 'input');
    fs.mkdirSync(input, { recursive: true });
    const file = path.join(input, `${Date.now()}-${Math.random().toString(36).slice(2, 6)}.json`);
    fs.writeFileSync(`${file}.tmp`, JSON.stringify({ type: 'message', text }));
    fs.renameSync(`${file}.tmp`, file);
    return true;
  }

  /** Ask the agent that runs to leave. */
  close(folder: string): void {
    if (!this.state(folder).active) return;
    const input = path.join(DATA_DIR, 'ipc', folder, 'input');
    fs.mkdirSync(input, { recursive: true });
    fs.writeFileSync(path.join(input, '_close'), '');
  }

  private next(): void {
    for (const state of this.states.values()) {
      const active = [...this.states.values()].filter((one) => one.active).length;
      if (this.ending || active >= MAX_CONCURRENT_CONTAINERS) return;
      if (!state.active && (state.more || state.tasks.length > 0)) void this.work(state);
    }
  }

  private async work(state: State): Promise<void> {
    const task = state.tasks.shift();
    state.active = task ? 'task' : 'messages';
    state.idle = false;
    if (!task) state.more = false;
    try {
      const done = task ? await task.run().then(() => true) : await this.process(state.folder);
      if (done) state.retries = 0;
      else this.retry(state);
    } catch (err) {
      logger.error({ folder: state.folder, err }, 'Error processing messages for group');
      this.retry(state);
    }
    Object.assign(state, { active: null, idle: false, child: undefined, name: undefined });
    this.next();
  }

  private retry(state: State): void {
    state.retries += 1;
    if (state.retries > MAX_RETRIES) {
      logger.error({ folder: state.folder }, 'Max retries exceeded, dropping messages');
      state.retries = 0;
      return;
    }
    const delayMs = BASE_RETRY_MS * 2 ** (state.retries - 1);
    logger.info({ retryCount: state.retries, delayMs }, 'Scheduling retry with backoff');
    setTimeout(() => this.messages(state.folder), delayMs);
  }

  /** Start nothing more. What runs goes on: it is detached, not killed. */
  shutdown(): void {
    this.ending = true;
    const names = [...this.states.values()].flatMap((one) => (one.name ? [one.name] : []));
    logger.info({ activeCount: names.length, detachedContainers: names },
      'GroupQueue shutting down (containers detached, not killed)');
  }
}
