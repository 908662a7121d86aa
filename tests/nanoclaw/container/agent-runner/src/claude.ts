/** What stands in for Claude Code: sessions on disk, a model behind an API, tools that really act. */
import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import readline from 'node:readline';

import { INVALID_KEY, post, type Block, type Message } from './api.js';

export type Environment = Record<string, string | undefined>;

interface Options {
  environment: Environment;
  /** Where a credential is looked for; commands do not inherit it unless it is theirs, too. */
  credentials: Environment;
  sessionId?: string;
  tools: string;
  about: Record<string, string>;
}

const WORKDIR = '/workspace/group';
const GLOBAL_MEMORY = '/workspace/global/CLAUDE.md';
const EXTRA = '/workspace/extra';
const STATE = "/home/node/.claude.json";
const PROJECTS = `/home/node/.claude/projects`;
const SETTINGS = '/home/node/.claude/settings.json';
const TURNS = 20;
const COMMAND_TIMEOUT_MS = 120_000;
const DRAIN_MS = 100;
const NOT_LOGGED_IN = 'Not logged in · Please run /login';

export class ClaudeCode {
  sessionId?: string;
  /** The last answer, when it was none. */
  failure = '';
  private readonly options: Options;
  private readonly cut = new AbortController();
  private server?: ChildProcess;

  constructor(options: Options) {
    this.options = options;
    this.sessionId = options.sessionId;
  }

  /** End everything that is under way. */
  kill(): void {
    this.cut.abort();
    this.server?.kill();
  }

  /**
   * Yield the result of each turn. What cannot be told apart from an answer is one: no login, a
   * refused key, an overloaded API. Throws when the program itself could not start or was ended.
   */
  async *query(prompt: string): AsyncGenerator<string> {
    if (process.getuid?.() === 0) throw new Error('Claude Code process exited with code 1');
    if (!fs.existsSync(WORKDIR)) {
      throw new Error('Failed to spawn Claude Code process: spawn node ENOENT');
    }
    process.chdir(WORKDIR);
    try {
      fs.writeFileSync(STATE, JSON.stringify({ numStartups: 1 }));
    } catch {
      // The real one says nothing either, and does nothing.
      return;
    }
    const messages = this.resume();
    if (messages === null) {
      yield '';
      this.sessionId = undefined;
    }
    this.sessionId ??= randomUUID();
    const answer = await this.turn([...(messages ?? []), { role: 'user', content: prompt }]);
    if (this.cut.signal.aborted) throw new Error('Claude Code process exited with code 1');
    yield answer;
  }

  /** Return the conversation so far: empty for a new one, null when it cannot be found. */
  private resume(): Message[] | null {
    if (!this.sessionId) return [];
    try {
      return fs
        .readFileSync(this.transcript(), 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).message as Message);
    } catch {
      return null;
    }
  }

  /** Sessions are kept by the folder that they run in, whatever led there. */
  private transcript(): string {
    const project = process.cwd().replace(/[^A-Za-z0-9]/g, '-');
    return path.join(PROJECTS, project, `${this.sessionId}.jsonl`);
  }

  private remember(message: Message): void {
    const file = this.transcript();
    fs.mkdirSync(path.dirname(file), { recursive: true });
    const line = { type: message.role, message, sessionId: this.sessionId, cwd: process.cwd() };
    fs.appendFileSync(file, `${JSON.stringify({ ...line, uuid: randomUUID() })}\n`);
  }

  private async turn(messages: Message[]): Promise<string> {
    const key = this.options.credentials.ANTHROPIC_API_KEY;
    const token = this.options.credentials.CLAUDE_CODE_OAUTH_TOKEN;
    this.failure = NOT_LOGGED_IN;
    if (!key && !token) return this.failure;
    const environment = { ...this.options.environment, ...this.settings() };
    this.remember(messages[messages.length - 1]);
    for (let turn = 0; turn < TURNS; turn += 1) {
      const headers: Record<string, string> = key
        ? { 'x-api-key': key }
        : { authorization: `Bearer ${token}` };
      const body = { model: 'claude-lab', max_tokens: 1024, system: this.memory(), messages };
      const answer = await post(environment, headers, body, this.cut.signal);
      if (typeof answer === 'string') {
        // A token that is refused is no login; of a key it is said.
        this.failure = answer === INVALID_KEY && !key ? NOT_LOGGED_IN : answer;
        return this.failure;
      }
      this.failure = '';
      const said: Message = { role: 'assistant', content: answer };
      this.remember(said);
      const call = answer.find((block) => block.type === 'tool_use');
      if (!call) return answer.map((block) => block.text ?? '').join('');
      const content = await this.use(call, environment);
      const result: Message = {
        role: 'user',
        content: [{ type: 'tool_result', tool_use_id: call.id, content }],
      };
      this.remember(result);
      messages = [...messages, said, result];
    }
    return 'API Error: too many turns';
  }

  /** What is known besides the conversation: CLAUDE.md of all groups, and the folders mounted. */
  private memory(): string {
    const global = fs.existsSync(GLOBAL_MEMORY) ? fs.readFileSync(GLOBAL_MEMORY, 'utf8') : '';
    const extra = fs.existsSync(EXTRA) ? fs.readdirSync(EXTRA) : [];
    return [global, ...extra.map((name) => `/workspace/extra/${name}`)].join('\n');
  }

  private settings(): Record<string, string> {
    try {
      return JSON.parse(fs.readFileSync(SETTINGS, 'utf8')).env ?? {};
    } catch {
      return {};
    }
  }

  private use(call: Block, environment: Environment): Promise<string> {
    if (call.name === 'Bash') return this.bash(String(call.input?.command), environment);
    if (call.name?.startsWith('mcp__nanoclaw__')) {
      return this.mcp(call.name.slice('mcp__nanoclaw__'.length), call.input ?? {}, environment);
    }
    return Promise.resolve(`Error: no such tool: ${call.name}`);
  }

  private bash(command: string, environment: Environment): Promise<string> {
    const child = spawn('/bin/bash', ['-c', command], {
      env: environment,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: COMMAND_TIMEOUT_MS,
      signal: this.cut.signal,
    });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    }
    // Not `close`: what a command leaves running in the background holds its output open.
    return new Promise((resolve) => {
      child.on('error', (err) => resolve(`Error: ${err.message}`));
      child.on('exit', (code, signal) => {
        const ended = code === 0 ? '' : `\n[exit ${code ?? signal}]`;
        setTimeout(() => resolve(text.trimEnd() + ended), DRAIN_MS);
      });
    });
  }

  /** Ask the tool server, one line each way; it is a process of its own, and started by its name. */
  private async mcp(
    tool: string,
    input: Record<string, unknown>,
    environment: Environment,
  ): Promise<string> {
    this.server ??= spawn('node', [this.options.tools], {
      env: { ...environment, ...this.options.about },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const { stdin, stdout } = this.server;
    const lines = readline.createInterface({ input: stdout! });
    const answered = new Promise<string>((resolve) => {
      this.server!.once('error', (err) => resolve(`Error: ${err.message}`));
      lines.once('line', resolve);
      lines.once('close', () => resolve('Error: the tool server ended'));
    });
    stdin!.write(`${JSON.stringify({ tool, input })}\n`);
    const answer = await answered;
    lines.close();
    return answer;
  }
}
