import { spawn, type ChildProcess } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';

import {
  CONTAINER_IMAGE,
  CONTAINER_MAX_OUTPUT_SIZE,
  CONTAINER_TIMEOUT,
  DATA_DIR,
  GROUPS_DIR,
  IDLE_TIMEOUT,
  PROJECT_ROOT,
  TIMEZONE,
} from './config.js';
import {
  CONTAINER_RUNTIME_BIN,
  hostGatewayArgs,
  mountArgs,
  stopContainer,
  type Mount,
} from './container-runtime.js';
import { readEnvFile } from './env.js';
import { logger } from './logger.js';
import { validated } from './mount-security.js';
import type { AgentInput, AgentOutput, RegisteredGroup } from './types.js';
import { CONTRACT } from './version.js';

const START = '---NANOCLAW_OUTPUT_START---';
const END = '---NANOCLAW_OUTPUT_END---';
const GRACE = 30_000;

function ownMounts(group: RegisteredGroup): Mount[] {
  const global = path.join(GROUPS_DIR, 'global');
  const mounts: Mount[] = [];
  const mount = (source: string, target: string, readonly = false) =>
    mounts.push({ source, target, readonly });
  if (group.isMain) {
    mount(PROJECT_ROOT, '/workspace/project', true);
    if (CONTRACT === 'v1.2') {
      if (fs.existsSync(path.join(PROJECT_ROOT, '.env'))) {
        mount('/dev/null', '/workspace/project/.env', true);
      }
      mount(path.join(PROJECT_ROOT, 'store'), '/workspace/project/store');
    }
  }
  mount(path.join(GROUPS_DIR, group.folder), '/workspace/group');
  if (fs.existsSync(global) && (!group.isMain || CONTRACT === 'v1.2')) {
    mount(global, '/workspace/global', !group.isMain);
  }
  return mounts;
}

function buildMounts(group: RegisteredGroup): Mount[] {
  const sessions = path.join(DATA_DIR, 'sessions', group.folder);
  const claude = path.join(sessions, '.claude');
  fs.mkdirSync(claude, { recursive: true });
  const settings = path.join(claude, 'settings.json');
  if (!fs.existsSync(settings)) {
    fs.writeFileSync(settings, `${JSON.stringify({ env: { NANOCLAW_LAB: '1' } }, null, 2)}\n`);
  }
  const skills = path.join(PROJECT_ROOT, 'container/skills');
  if (fs.existsSync(skills)) fs.cpSync(skills, path.join(claude, 'skills'), { recursive: true });

  const ipc = path.join(DATA_DIR, 'ipc', group.folder);
  for (const name of ['messages', 'tasks', 'input']) {
    fs.mkdirSync(path.join(ipc, name), { recursive: true });
  }
  const runner = path.join(sessions, 'agent-runner-src');
  const source = path.join(PROJECT_ROOT, 'container/agent-runner/src');
  if (!fs.existsSync(runner)) fs.cpSync(source, runner, { recursive: true });
  return [
    ...ownMounts(group),
    { source: claude, target: '/home/node/.claude', readonly: false },
    { source: ipc, target: '/workspace/ipc', readonly: false },
    { source: runner, target: '/app/src', readonly: false },
    ...validated(group),
  ];
}

function buildArgs(mounts: Mount[], name: string): string[] {
  const args = ['run', '-i', '--rm', '--name', name, '-e', `TZ=${TIMEZONE}`];
  if (CONTRACT === 'v1.2') {
    logger.warn({ containerName: name },
      'OneCLI gateway not reachable — container will have no credentials');
  }
  args.push(...hostGatewayArgs());
  const uid = process.getuid?.() ?? 0;
  if (uid !== 0 && uid !== 1000) {
    args.push('--user', `${uid}:${process.getgid?.()}`, '-e', 'HOME=/home/node');
  }
  return [...args, ...mounts.flatMap(mountArgs), CONTAINER_IMAGE];
}

/** Cut what an agent prints into outputs, as it arrives; all else is noise. */
class Outputs {
  private buffer = '';

  *feed(chunk: string): Generator<AgentOutput> {
    this.buffer += chunk;
    for (;;) {
      const start = this.buffer.indexOf(START);
      const end = start < 0 ? -1 : this.buffer.indexOf(END, start);
      if (end < 0) return;
      const text = this.buffer.slice(start + START.length, end);
      this.buffer = this.buffer.slice(end + END.length);
      try {
        yield JSON.parse(text) as AgentOutput;
      } catch (err) {
        logger.warn({ err }, 'Failed to parse streamed output chunk');
      }
    }
  }
}

export interface Run {
  group: RegisteredGroup;
  input: AgentInput;
  onProcess: (child: ChildProcess, name: string) => void;
  onOutput: (output: AgentOutput) => Promise<void>;
}

/** Run the agent of a group until it ends; the outcome is that of the process, not of the answer. */
export async function runContainerAgent(run: Run): Promise<AgentOutput> {
  const { group, input } = run;
  const began = Date.now();
  const logs = path.join(GROUPS_DIR, group.folder, 'logs');
  fs.mkdirSync(logs, { recursive: true });
  const mounts = buildMounts(group);
  const name = `nanoclaw-${group.folder.replace(/[^A-Za-z0-9-]/g, '-')}-${began}`;
  const args = buildArgs(mounts, name);
  logger.info(
    { group: group.name, containerName: name, mountCount: mounts.length, isMain: input.isMain },
    'Spawning container agent',
  );
  const child = spawn(CONTAINER_RUNTIME_BIN, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  run.onProcess(child, name);
  const said =
    CONTRACT === 'v1.1'
      ? { ...input, secrets: readEnvFile(['CLAUDE_CODE_OAUTH_TOKEN', 'ANTHROPIC_API_KEY']) }
      : input;
  child.stdin.on('error', () => {});
  child.stdin.end(JSON.stringify(said));

  const outputs = new Outputs();
  let chain = Promise.resolve();
  let newSessionId: string | undefined;
  let spoke = false;
  let timedOut = false;
  const kept = { stdout: '', stderr: '' };
  const limit = Math.max(group.containerConfig?.timeout || CONTAINER_TIMEOUT, IDLE_TIMEOUT + GRACE);
  const expire = () => {
    timedOut = true;
    logger.error({ group: group.name, containerName: name }, 'Container timeout, stopping');
    try {
      stopContainer(name);
    } catch (err) {
      logger.warn({ err }, 'Graceful stop failed, force killing');
      child.kill('SIGKILL');
    }
  };
  let timer = setTimeout(expire, limit);
  const keep = (which: 'stdout' | 'stderr', text: string) => {
    kept[which] += text.slice(0, CONTAINER_MAX_OUTPUT_SIZE - kept[which].length);
  };

  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    keep('stdout', chunk);
    for (const output of outputs.feed(chunk)) {
      spoke = true;
      newSessionId = output.newSessionId ?? newSessionId;
      clearTimeout(timer);
      timer = setTimeout(expire, limit);
      chain = chain.then(() => run.onOutput(output));
    }
  });
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    keep('stderr', chunk);
    for (const line of chunk.trim().split('\n')) logger.debug({ container: group.folder }, line);
  });

  const code = await new Promise<number | null | Error>((resolve) => {
    child.on('error', resolve);
    child.on('close', resolve);
  });
  clearTimeout(timer);
  await chain;
  if (code instanceof Error) {
    logger.error({ group: group.name, err: code }, 'Container spawn error');
    return { status: 'error', result: null, error: `Container spawn error: ${code.message}` };
  }
  const stamp = new Date().toISOString().replace(/[:.]/g, '-');
  const report = [
    '=== Container Run Log ===',
    `Group: ${group.name}`,
    `Duration: ${Date.now() - began}ms`,
    `Exit Code: ${code}`,
    ...(code ? ['=== Stderr ===', kept.stderr, '=== Stdout ===', kept.stdout] : []),
  ];
  fs.writeFileSync(path.join(logs, `container-${stamp}.log`), report.join('\n'));
  if (timedOut && !spoke) {
    return { status: 'error', result: null, error: `Container timed out after ${limit}ms` };
  }
  if (code !== 0 && !timedOut) {
    logger.error({ group: group.name, code, stderr: kept.stderr }, 'Container exited with error');
    const error = `Container exited with code ${code}: ${kept.stderr.slice(-200)}`;
    return { status: 'error', result: null, error };
  }
  logger.info({ group: group.name, duration: Date.now() - began, newSessionId },
    'Container completed (streaming mode)');
  return { status: 'success', result: null, newSessionId };
}

/** Write what an agent may know of tasks and groups; only main sees all. */
export function writeSnapshots(
  group: RegisteredGroup,
  tasks: { groupFolder: string }[],
  groups: unknown[],
): void {
  const folder = path.join(DATA_DIR, 'ipc', group.folder);
  fs.mkdirSync(folder, { recursive: true });
  const seen = group.isMain ? tasks : tasks.filter((one) => one.groupFolder === group.folder);
  fs.writeFileSync(path.join(folder, 'current_tasks.json'), JSON.stringify(seen, null, 2));
  const known = { groups: group.isMain ? groups : [], lastSync: new Date().toISOString() };
  fs.writeFileSync(path.join(folder, 'available_groups.json'), JSON.stringify(known, null, 2));
}
