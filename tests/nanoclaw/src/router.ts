import { IDLE_TIMEOUT, ASSISTANT_NAME, TIMEZONE, trigger } from './config.js';
import { runContainerAgent, writeSnapshots } from './container-runner.js';
import {
  getAllChats,
  getAllSessions,
  getAllTasks,
  getMessagesSince,
  getRouterState,
  setRouterState,
  setSession,
} from './db.js';
import { GroupQueue } from './group-queue.js';
import { logger } from './logger.js';
import type { AgentOutput, Channel, Groups, NewMessage, RegisteredGroup, Task } from './types.js';

const INTERNAL = /<internal>[\s\S]*?<\/internal>/g;

type OnOutput = (output: AgentOutput) => Promise<void>;

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

function prompt(messages: NewMessage[]): string {
  const lines = messages.map((one) => {
    const who = `sender="${escaped(one.sender_name)}" time="${one.timestamp}"`;
    return `<message ${who}>${escaped(one.content)}</message>`;
  });
  return `<context timezone="${TIMEZONE}" />\n<messages>\n${lines.join('\n')}\n</messages>`;
}

function wakes(group: RegisteredGroup, messages: NewMessage[]): boolean {
  if (group.isMain || group.requiresTrigger === false) return messages.length > 0;
  return messages.some((one) => trigger(group.trigger).test(one.content.trim()));
}

/** Takes messages from the database to agents, and their answers to channels. */
export class Router {
  readonly queue = new GroupQueue((folder) => this.answer(folder));
  private readonly sessions = getAllSessions();
  private readonly cursors: Record<string, string>;
  private seen = getRouterState('last_timestamp') ?? '';

  constructor(
    readonly groups: () => Groups,
    private readonly channels: Channel[],
  ) {
    this.cursors = JSON.parse(getRouterState('last_agent_timestamp') ?? '{}');
  }

  private save(): void {
    setRouterState('last_timestamp', this.seen);
    setRouterState('last_agent_timestamp', JSON.stringify(this.cursors));
  }

  private pending(jid: string): NewMessage[] {
    return getMessagesSince(jid, this.cursors[jid] ?? '');
  }

  /** Look for what was said before this start and never answered. */
  recover(): void {
    for (const [jid, group] of Object.entries(this.groups())) {
      if (this.pending(jid).length > 0) this.queue.messages(group.folder);
    }
  }

  /** Look for messages that nobody has seen: to the agent that runs, else to a new one. */
  look(): void {
    let last = this.seen;
    for (const [jid, group] of Object.entries(this.groups())) {
      const fresh = getMessagesSince(jid, this.seen);
      if (fresh.length === 0) continue;
      last = [last, fresh[fresh.length - 1].timestamp].sort()[1];
      if (!wakes(group, fresh)) continue;
      const pending = this.pending(jid);
      if (pending.length > 0 && this.queue.pipe(group.folder, prompt(pending))) {
        this.cursors[jid] = pending[pending.length - 1].timestamp;
        logger.debug({ jid, count: pending.length }, 'Piped messages to active container');
      } else if (pending.length > 0) {
        this.queue.messages(group.folder);
      }
    }
    if (last === this.seen) return;
    this.seen = last;
    this.save();
  }

  private async answer(folder: string): Promise<boolean> {
    const found = Object.entries(this.groups()).find(([, one]) => one.folder === folder);
    if (!found) return true;
    const [jid, group] = found;
    const before = this.cursors[jid] ?? '';
    const messages = this.pending(jid);
    if (!wakes(group, messages)) return true;
    this.cursors[jid] = messages[messages.length - 1].timestamp;
    this.save();
    logger.info({ group: group.name, messageCount: messages.length }, 'Processing messages');
    const channel = this.channels.find((one) => one.ownsJid(jid));
    let idle: NodeJS.Timeout | undefined;
    let told = false;
    let failed = false;
    await channel?.setTyping?.(jid, true);
    const output = await this.run(jid, group, prompt(messages), async (one) => {
      const text = one.result?.replace(INTERNAL, '').trim();
      if (text) {
        logger.info({ group: group.name }, `Agent output: ${text.length} chars`);
        await channel?.sendMessage(jid, text);
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
    await channel?.setTyping?.(jid, false);
    if ((output.status === 'error' || failed) && !told) {
      this.cursors[jid] = before;
      this.save();
      logger.warn({ group: group.name }, 'Agent error, rolled back message cursor for retry');
      return false;
    }
    return true;
  }

  /** Run the agent of a group; a task that is alone has a session of its own. */
  async run(
    jid: string,
    group: RegisteredGroup,
    text: string,
    onOutput: OnOutput,
    task?: Task,
  ): Promise<AgentOutput> {
    this.snapshots();
    const alone = task !== undefined && task.context_mode !== 'group';
    const remember = (output: AgentOutput): void => {
      if (!output.newSessionId || alone) return;
      this.sessions[group.folder] = output.newSessionId;
      setSession(group.folder, output.newSessionId);
    };
    const output = await runContainerAgent({
      group,
      input: {
        prompt: text,
        sessionId: alone ? undefined : this.sessions[group.folder],
        groupFolder: group.folder,
        chatJid: jid,
        isMain: group.isMain === true,
        ...(task ? { isScheduledTask: true } : {}),
        ...(task?.script ? { script: task.script } : {}),
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

  /** Write what agents may know of tasks and groups. */
  snapshots(): void {
    const tasks = getAllTasks().map((one) => ({ ...one, groupFolder: one.group_folder }));
    const chats = getAllChats().map((one) => ({
      jid: one.jid,
      name: one.name,
      lastActivity: one.last_message_time,
      isRegistered: String(one.jid) in this.groups(),
    }));
    for (const group of Object.values(this.groups())) writeSnapshots(group, tasks, chats);
  }
}
