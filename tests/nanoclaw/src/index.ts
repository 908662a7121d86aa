import fs from 'node:fs';
import path from 'node:path';

import './channels/index.js';
import { factories } from './channels/registry.js';
import {
  ASSISTANT_NAME,
  GROUPS_DIR,
  IDLE_TIMEOUT,
  POLL_INTERVAL,
  SCHEDULER_POLL_INTERVAL,
  TIMEZONE,
  trigger,
} from './config.js';
import { runContainerAgent, writeSnapshots } from './container-runner.js';
import { cleanupOrphans, ensureRuntime } from './container-runtime.js';
import { Store } from './db.js';
import { GroupQueue } from './group-queue.js';
import { FOLDER, nextRun, startIpcWatcher } from './ipc.js';
import { logger } from './logger.js';
import type { AgentOutput, Channel, Group, Message, Task } from './types.js';
import { CONTRACT } from './version.js';

const TASK_CLOSE_DELAY_MS = 10_000;

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

function prompt(messages: Message[]): string {
  const lines = messages.map((one) => {
    const who = `sender="${escaped(one.senderName)}" time="${one.timestamp}"`;
    return `<message ${who}>${escaped(one.content)}</message>`;
  });
  return `<context timezone="${TIMEZONE}" />\n<messages>\n${lines.join('\n')}\n</messages>`;
}

class NanoClaw {
  private readonly store = new Store();
  private readonly channels: Channel[] = [];
  private readonly groups = new Map<string, Group>();
  private readonly queue = new GroupQueue((folder) => this.answer(folder));
  private readonly sessions: Record<string, string>;
  private readonly cursors: Record<string, string>;
  private seen: string;

  constructor() {
    logger.info('Database initialized');
    this.seen = this.store.state('last_timestamp') ?? '';
    this.cursors = JSON.parse(this.store.state('last_agent_timestamp') ?? '{}');
    this.sessions = this.store.sessions();
    for (const group of this.store.groups()) this.groups.set(group.jid, group);
    logger.info({ groupCount: this.groups.size }, 'State loaded');
  }

  async start(): Promise<void> {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => void this.stop(signal));
    }
    for (const [name, factory] of factories) {
      const channel = factory({
        onMessage: (message) => this.hear(message),
        onChat: (jid, chat, by, isGroup) => this.store.chat(jid, chat, by, isGroup),
        groups: () => [...this.groups.values()],
        register: (group) => this.register(group),
      });
      if (!channel) {
        logger.warn({ channel: name }, 'Channel installed but credentials missing — skipping.');
        continue;
      }
      this.channels.push(channel);
      await channel.connect();
    }
    if (this.channels.length === 0 && CONTRACT === 'v1.2') {
      logger.fatal('No channels connected');
      process.exit(1);
    }
    setTimeout(() => this.schedule(), 0);
    logger.info('Scheduler loop started');
    startIpcWatcher({
      store: this.store,
      groups: () => [...this.groups.values()],
      register: (group) => this.register(group),
      send: (jid, text) => this.send(jid, text),
      changed: () => this.snapshots(),
    });
    for (const group of this.groups.values()) {
      const pending = this.store.since(group.jid, this.cursors[group.jid] ?? '');
      if (pending.length > 0) this.queue.messages(group.folder);
    }
    const word = CONTRACT === 'v1.2' ? 'default trigger' : 'trigger';
    logger.info(`NanoClaw running (${word}: @${ASSISTANT_NAME})`);
    setInterval(() => this.look(), POLL_INTERVAL);
  }

  private async stop(signal: string): Promise<void> {
    logger.info({ signal }, 'Shutdown signal received');
    this.queue.shutdown();
    for (const channel of this.channels) await channel.disconnect();
    process.exit(0);
  }

  private save(): void {
    this.store.setState('last_timestamp', this.seen);
    this.store.setState('last_agent_timestamp', JSON.stringify(this.cursors));
  }

  private register(group: Group): void {
    if (!FOLDER.test(group.folder) || group.folder === 'global') {
      logger.warn({ folder: group.folder }, 'Rejecting group registration with invalid folder');
      return;
    }
    const place = path.join(GROUPS_DIR, group.folder);
    fs.mkdirSync(path.join(place, 'logs'), { recursive: true });
    const memory = path.join(place, 'CLAUDE.md');
    const template = path.join(GROUPS_DIR, group.isMain ? 'main' : 'global', 'CLAUDE.md');
    if (!fs.existsSync(memory) && fs.existsSync(template)) fs.copyFileSync(template, memory);
    this.groups.set(group.jid, group);
    this.store.register(group);
    logger.info({ jid: group.jid, name: group.name, folder: group.folder }, 'Group registered');
  }

  private hear(message: Message): void {
    if (!this.groups.has(message.chatJid)) {
      logger.debug({ chatJid: message.chatJid }, 'Message from unregistered chat');
      return;
    }
    this.store.keep(message);
  }

  private async send(jid: string, text: string): Promise<void> {
    const channel = this.channels.find((one) => one.owns(jid));
    if (!channel) throw new Error(`No channel for JID: ${jid}`);
    await channel.send(jid, text);
    const at = new Date().toISOString();
    this.store.keep(
      { id: `bot-${at}`, chatJid: jid, sender: 'bot', senderName: ASSISTANT_NAME, content: text,
        timestamp: at },
      true,
    );
  }

  private wakes(group: Group, messages: Message[]): boolean {
    if (group.isMain || !group.requiresTrigger) return messages.length > 0;
    return messages.some((one) => trigger(group.trigger).test(one.content.trim()));
  }

  /** Look for messages that nobody has seen: to the agent that runs, else to a new one. */
  private look(): void {
    for (const group of this.groups.values()) {
      const fresh = this.store.since(group.jid, this.seen);
      if (!this.wakes(group, fresh)) continue;
      const pending = this.store.since(group.jid, this.cursors[group.jid] ?? '');
      if (pending.length === 0) continue;
      if (this.queue.pipe(group.folder, prompt(pending))) {
        this.cursors[group.jid] = pending[pending.length - 1].timestamp;
        logger.debug({ jid: group.jid, count: pending.length }, 'Piped messages to container');
      } else {
        this.queue.messages(group.folder);
      }
    }
    const last = [...this.groups.values()]
      .flatMap((one) => this.store.since(one.jid, this.seen))
      .map((one) => one.timestamp)
      .sort()
      .pop();
    if (last) {
      this.seen = last;
      this.save();
    }
  }

  private async answer(folder: string): Promise<boolean> {
    const group = [...this.groups.values()].find((one) => one.folder === folder);
    if (!group) return true;
    const before = this.cursors[group.jid] ?? '';
    const messages = this.store.since(group.jid, before);
    if (!this.wakes(group, messages)) return true;
    this.cursors[group.jid] = messages[messages.length - 1].timestamp;
    this.save();
    logger.info({ group: group.name, messageCount: messages.length }, 'Processing messages');
    const channel = this.channels.find((one) => one.owns(group.jid));
    let idle: NodeJS.Timeout | undefined;
    let told = false;
    let failed = false;
    await channel?.typing?.(group.jid, true);
    const output = await this.run(group, { prompt: prompt(messages) }, async (one) => {
      const text = one.result?.replace(/<internal>[\s\S]*?<\/internal>/g, '').trim();
      if (text) {
        logger.info({ group: group.name }, `Agent output: ${text.length} chars`);
        await this.send(group.jid, text);
        told = true;
      }
      if (one.result) {
        clearTimeout(idle);
        idle = setTimeout(() => this.queue.close(folder), IDLE_TIMEOUT);
      }
      if (one.status === 'success') this.queue.waits(folder);
      else failed = true;
    });
    clearTimeout(idle);
    await channel?.typing?.(group.jid, false);
    if ((output.status === 'error' || failed) && !told) {
      this.cursors[group.jid] = before;
      this.save();
      logger.warn({ group: group.name }, 'Agent error, rolled back message cursor for retry');
      return false;
    }
    return true;
  }

  private async run(
    group: Group,
    what: { prompt: string; task?: Task },
    onOutput: (output: AgentOutput) => Promise<void>,
  ): Promise<AgentOutput> {
    this.snapshots();
    const alone = what.task && what.task.context_mode !== 'group';
    const remember = (output: AgentOutput) => {
      if (!output.newSessionId || alone) return;
      this.sessions[group.folder] = output.newSessionId;
      this.store.setSession(group.folder, output.newSessionId);
    };
    const output = await runContainerAgent({
      group,
      input: {
        prompt: what.prompt,
        sessionId: alone ? undefined : this.sessions[group.folder],
        groupFolder: group.folder,
        chatJid: group.jid,
        isMain: group.isMain,
        ...(what.task ? { isScheduledTask: true } : {}),
        ...(what.task?.script ? { script: what.task.script } : {}),
        assistantName: ASSISTANT_NAME,
      },
      onProcess: (child, name) => this.queue.started(group.folder, child, name),
      onOutput: async (one) => {
        remember(one);
        await onOutput(one);
      },
    });
    remember(output);
    if (output.status === 'error') {
      logger.error({ group: group.name, error: output.error }, 'Container agent error');
    }
    return output;
  }

  private snapshots(): void {
    const tasks = this.store.tasks().map((one) => ({ ...one, groupFolder: one.group_folder }));
    const chats = this.store.chats().map((one) => ({
      jid: one.jid,
      name: one.name,
      lastActivity: one.last_message_time,
      isRegistered: this.groups.has(one.jid as string),
    }));
    for (const group of this.groups.values()) writeSnapshots(group, tasks, chats);
  }

  private schedule(): void {
    for (const task of this.store.tasks()) {
      const due = task.status === 'active' && task.next_run && Date.parse(task.next_run) <= Date.now();
      const group = [...this.groups.values()].find((one) => one.folder === task.group_folder);
      if (due && group) this.queue.task(group.folder, task.id, () => this.perform(task, group));
    }
    setTimeout(() => this.schedule(), SCHEDULER_POLL_INTERVAL);
  }

  private async perform(task: Task, group: Group): Promise<void> {
    logger.info({ taskId: task.id, group: group.folder }, 'Running scheduled task');
    const began = Date.now();
    const once = task.schedule_type === 'once';
    const next = once ? null : nextRun(task.schedule_type, task.schedule_value);
    this.store.setTask(task.id, once ? 'completed' : 'active', next);
    let result: string | null = null;
    let closing = false;
    const output = await this.run(group, { prompt: task.prompt, task }, async (one) => {
      if (one.result) {
        result = one.result;
        await this.send(group.jid, one.result);
      }
      if (one.status === 'success' && !closing) {
        closing = true;
        setTimeout(() => this.queue.close(group.folder), TASK_CLOSE_DELAY_MS);
      }
    });
    this.store.ran(task.id, began, result, output.error ?? null);
  }
}

async function main(): Promise<void> {
  ensureRuntime();
  cleanupOrphans();
  await new NanoClaw().start();
}

main().catch((err) => {
  logger.error({ err }, 'Failed to start NanoClaw');
  process.exit(1);
});
