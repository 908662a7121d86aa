/**
 * Reads what to do as JSON on stdin, answers between markers on stdout, and stays: follow-ups come
 * as files in /workspace/ipc/input, and so does `_close`.
 */
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { ClaudeCode, type Environment } from './claude.js';
import { CONTRACT } from './version.js';

interface Input {
  prompt: string;
  sessionId?: string;
  groupFolder: string;
  chatJid: string;
  isMain: boolean;
  isScheduledTask?: boolean;
  assistantName?: string;
  script?: string;
  secrets?: Record<string, string>;
}

interface Output {
  status: 'success' | 'error';
  result: string | null;
  newSessionId?: string;
  error?: string;
}

const INPUT_DIR = '/workspace/ipc/input';
const CLOSE = path.join(INPUT_DIR, '_close');
const POLL_MS = 500;
const SCRIPT_TIMEOUT_MS = 30_000;

function log(message: string): void {
  console.error(`[agent-runner] ${message}`);
}

function write(output: Output): void {
  console.log('---NANOCLAW_OUTPUT_START---');
  console.log(JSON.stringify(output));
  console.log('---NANOCLAW_OUTPUT_END---');
}

async function stdin(): Promise<string> {
  let text = '';
  for await (const chunk of process.stdin.setEncoding('utf8')) text += chunk;
  return text;
}

function closed(): boolean {
  if (!fs.existsSync(CLOSE)) return false;
  fs.rmSync(CLOSE, { force: true });
  return true;
}

function drain(): string[] {
  fs.mkdirSync(INPUT_DIR, { recursive: true });
  const found: string[] = [];
  for (const name of fs.readdirSync(INPUT_DIR).filter((one) => one.endsWith('.json')).sort()) {
    const file = path.join(INPUT_DIR, name);
    try {
      const { type, text } = JSON.parse(fs.readFileSync(file, 'utf8'));
      if (type === 'message' && text) found.push(text);
    } catch (err) {
      log(`Failed to process input file ${name}: ${err}`);
    }
    fs.rmSync(file, { force: true });
  }
  return found;
}

/** Wait for follow-ups; null when told to leave. */
async function more(): Promise<string | null> {
  for (;;) {
    if (closed()) return null;
    const messages = drain();
    if (messages.length > 0) return messages.join('\n');
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** Run a task's script; whether, and with what, it wakes the agent. */
function runScript(script: string): Promise<{ wakeAgent: boolean; data?: unknown } | null> {
  const file = '/tmp/task-script.sh';
  fs.writeFileSync(file, script, { mode: 0o755 });
  return new Promise((resolve) => {
    execFile('bash', [file], { timeout: SCRIPT_TIMEOUT_MS }, (error, stdout) => {
      try {
        const last = JSON.parse(stdout.trim().split('\n').pop() ?? '');
        resolve(error || typeof last.wakeAgent !== 'boolean' ? null : last);
      } catch {
        resolve(null);
      }
    });
  });
}

/** Let one question run; false when `_close` cut it short. */
async function ask(claude: ClaudeCode, prompt: string): Promise<boolean> {
  let cut = false;
  const watch = setInterval(() => {
    if (closed()) {
      cut = true;
      claude.kill();
    }
  }, POLL_MS);
  try {
    let count = 0;
    for await (const result of claude.query(prompt)) {
      count += 1;
      write({ status: 'success', result: result || null, newSessionId: claude.sessionId });
    }
    log(`Query done. Messages: ${count}`);
  } finally {
    clearInterval(watch);
  }
  return !cut;
}

async function main(): Promise<void> {
  let input: Input;
  try {
    input = JSON.parse(await stdin());
    fs.rmSync('/tmp/input.json', { force: true });
    log(`Received input for group: ${input.groupFolder}`);
  } catch (err) {
    write({ status: 'error', result: null, error: `Failed to parse input: ${err}` });
    process.exit(1);
  }

  // Secrets never touch process.env, so the agent's commands do not inherit them.
  const secrets = CONTRACT === 'v1.1' ? (input.secrets ?? {}) : {};
  const environment: Environment = { ...process.env };
  const here = path.dirname(fileURLToPath(import.meta.url));
  const claude = new ClaudeCode({
    environment,
    credentials: { ...environment, ...secrets },
    sessionId: input.sessionId,
    tools: path.join(here, 'ipc-mcp-stdio.js'),
    about: {
      NANOCLAW_CHAT_JID: input.chatJid,
      NANOCLAW_GROUP_FOLDER: input.groupFolder,
      NANOCLAW_IS_MAIN: input.isMain ? '1' : '0',
    },
  });

  fs.mkdirSync(INPUT_DIR, { recursive: true });
  fs.rmSync(CLOSE, { force: true });
  let prompt: string | null = [input.prompt, ...drain()].join('\n');
  if (input.isScheduledTask) prompt = `[SCHEDULED TASK]\n\n${prompt}`;
  if (input.script && input.isScheduledTask) {
    const outcome = await runScript(input.script);
    if (!outcome?.wakeAgent) {
      write({ status: 'success', result: null });
      return;
    }
    prompt = `[SCHEDULED TASK]\n\n${JSON.stringify(outcome.data)}\n\n${input.prompt}`;
  }

  try {
    while (prompt !== null) {
      log(`Starting query (session: ${claude.sessionId ?? 'new'})...`);
      if (!(await ask(claude, prompt))) break;
      // The SDK that v1.2 locks keeps its query open, so there is no update in between.
      if (CONTRACT === 'v1.1') {
        write({ status: 'success', result: null, newSessionId: claude.sessionId });
      }
      prompt = await more();
    }
    // It was given as an answer, and only the end of the program calls it an error.
    if (claude.failure) throw new Error(`Claude Code returned an error result: ${claude.failure}`);
  } catch (err) {
    const error = err instanceof Error ? err.message : String(err);
    log(`Agent error: ${error}`);
    write({ status: 'error', result: null, newSessionId: claude.sessionId, error });
    process.exitCode = 1;
  }
  claude.kill();
}

await main();
