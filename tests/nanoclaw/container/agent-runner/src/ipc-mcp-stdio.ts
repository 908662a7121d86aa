/** The agent's own tools: each call becomes a file for the host below /workspace/ipc. */
import { CronExpressionParser } from 'cron-parser';
import fs from 'node:fs';
import path from 'node:path';
import readline from 'node:readline';

const IPC = '/workspace/ipc';
const chatJid = process.env.NANOCLAW_CHAT_JID ?? '';
const groupFolder = process.env.NANOCLAW_GROUP_FOLDER ?? '';
const isMain = process.env.NANOCLAW_IS_MAIN === '1';

type Input = Record<string, string>;

function hand(kind: 'messages' | 'tasks', data: Record<string, unknown>): void {
  const folder = path.join(IPC, kind);
  fs.mkdirSync(folder, { recursive: true });
  const file = path.join(folder, `${Date.now()}-${Math.random().toString(36).slice(2, 8)}.json`);
  fs.writeFileSync(`${file}.tmp`, JSON.stringify(data));
  fs.renameSync(`${file}.tmp`, file);
}

function task(type: string, input: Input): string {
  hand('tasks', { ...input, type, groupFolder, timestamp: new Date().toISOString() });
  return `${type} requested.`;
}

const TOOLS: Record<string, (input: Input) => string> = {
  send_message: (input) => {
    const to = { chatJid: input.chatJid ?? chatJid, text: input.text, sender: input.sender };
    const timestamp = new Date().toISOString();
    hand('messages', { type: 'message', ...to, groupFolder, timestamp });
    return 'Message sent.';
  },
  schedule_task: (input) => {
    if (input.schedule_type === 'cron') CronExpressionParser.parse(input.schedule_value);
    return task('schedule_task', { targetJid: chatJid, context_mode: 'group', ...input });
  },
  list_tasks: () => fs.readFileSync(path.join(IPC, 'current_tasks.json'), 'utf8').replace(/\s+/g, ' '),
  available_groups: () =>
    fs.readFileSync(path.join(IPC, 'available_groups.json'), 'utf8').replace(/\s+/g, ' '),
  pause_task: (input) => task('pause_task', input),
  resume_task: (input) => task('resume_task', input),
  cancel_task: (input) => task('cancel_task', input),
  refresh_groups: (input) => task('refresh_groups', input),
  register_group: (input) =>
    isMain ? task('register_group', input) : 'Only the main group can register new groups.',
};

for await (const line of readline.createInterface({ input: process.stdin })) {
  let answer: string;
  try {
    const { tool, input } = JSON.parse(line);
    answer = TOOLS[tool]?.(input) ?? `Error: no such tool: ${tool}`;
  } catch (err) {
    answer = `Error: ${err instanceof Error ? err.message : err}`;
  }
  console.log(answer.replaceAll('\n', ' '));
}
