/**
 * The operator's own channel: a Unix socket beside the state folders, one JSON object per line.
 *
 * `clawkeep agent say` is its client. It has no network and no credential: whoever may open the
 * socket (mode 0600, the service user's) may speak. Compiled with NanoClaw 1.1 and 1.2.
 *
 * in   {"type":"message","id":…,"text":…,"group":…,"create":…}   {"type":"ping"}
 *      without `group`: the operator's; `create` makes a group that is not there yet
 * out  {"type":"hello","assistant":…,"pid":…}            once, on connecting
 *      {"type":"accepted","id":…,"group":…,"waiting":n}  n earlier messages have no answer yet
 *      {"type":"refused","id":…,"reason":…}              NanoClaw would never answer it
 *      {"type":"pong"}
 * and to those who have sent a message to that group
 *      {"type":"missed","text":…,"at":…}                 said while there was nobody
 *      {"type":"message","text":…}  {"type":"typing","on":…}
 */
import fs from 'fs';
import net from 'net';
import path from 'path';

import { ASSISTANT_NAME, STORE_DIR } from '../config.js';
import { getRouterState } from '../db.js';
import { logger } from '../logger.js';
import type {
  Channel,
  OnChatMetadata,
  OnInboundMessage,
  RegisteredGroup,
} from '../types.js';
import { Groups, OPERATOR, PREFIX } from './local-groups.js';

const MAX_LINE = 8 * 1024 * 1024;
const MAX_MISSED = 20;

interface Missed {
  text: string;
  at: string;
}

interface Frame {
  type?: unknown;
  id?: unknown;
  text?: unknown;
  group?: unknown;
  create?: unknown;
}

interface Options {
  onMessage: OnInboundMessage;
  onChatMetadata: OnChatMetadata;
  registeredGroups: () => Record<string, RegisteredGroup>;
}

/** Where the socket is: `store` is a link into the state folder, which outlives a release. */
function socketPath(): string {
  return path.join(path.dirname(fs.realpathSync(STORE_DIR)), 'local.sock');
}

export class LocalChannel implements Channel {
  name = 'local';

  private server: net.Server | null = null;
  private clients = new Set<net.Socket>();
  private listeners = new Map<net.Socket, string>();
  private missed = new Map<string, Missed[]>();
  private waiting = new Map<string, number>();
  private lastStamp = 0;
  private options: Options;
  private groups: Groups;

  constructor(options: Options) {
    this.options = options;
    this.groups = new Groups(options.registeredGroups);
  }

  async connect(): Promise<void> {
    this.groups.registerOperator();
    fs.mkdirSync(STORE_DIR, { recursive: true });
    const socket = socketPath();
    if (await answers(socket)) {
      throw new Error(`another NanoClaw already listens on ${socket}`);
    }
    fs.rmSync(socket, { force: true });
    const server = net.createServer((client) => this.serve(client));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.once('listening', resolve);
      // Nobody else may connect, not even between bind and chmod.
      const before = process.umask(0o177);
      try {
        server.listen(socket);
      } finally {
        process.umask(before);
      }
    });
    fs.chmodSync(socket, 0o600);
    server.on('error', (err) => logger.error({ err }, 'Local channel error'));
    this.server = server;
    logger.info({ socket }, 'Local channel listening');
  }

  async disconnect(): Promise<void> {
    for (const client of this.clients) client.destroy();
    this.server?.close();
    this.server = null;
  }

  isConnected(): boolean {
    return this.server?.listening ?? false;
  }

  ownsJid(jid: string): boolean {
    return jid.startsWith(PREFIX);
  }

  async sendMessage(jid: string, text: string): Promise<void> {
    this.waiting.delete(jid);
    if (![...this.listeners.values()].includes(jid)) {
      const missed = this.missed.get(jid) ?? [];
      missed.push({ text, at: new Date().toISOString() });
      this.missed.set(jid, missed.slice(-MAX_MISSED));
      return;
    }
    this.broadcast(jid, { type: 'message', text });
  }

  async setTyping(jid: string, isTyping: boolean): Promise<void> {
    this.broadcast(jid, { type: 'typing', on: isTyping });
  }

  private serve(client: net.Socket): void {
    let buffer = '';
    this.clients.add(client);
    client.setEncoding('utf8');
    client.on('close', () => {
      this.clients.delete(client);
      this.listeners.delete(client);
    });
    client.on('error', () => client.destroy());
    client.on('data', (chunk: string) => {
      buffer += chunk;
      let end: number;
      while ((end = buffer.indexOf('\n')) !== -1) {
        const line = buffer.slice(0, end);
        buffer = buffer.slice(end + 1);
        this.receive(client, line);
      }
      if (buffer.length > MAX_LINE) client.destroy();
    });
    send(client, { type: 'hello', assistant: ASSISTANT_NAME, pid: process.pid });
  }

  private receive(client: net.Socket, line: string): void {
    let frame: Frame | null;
    try {
      frame = JSON.parse(line);
    } catch {
      frame = null;
    }
    if (frame?.type === 'ping') {
      send(client, { type: 'pong' });
    } else if (frame?.type === 'message' && typeof frame.text === 'string') {
      this.accept(client, frame, frame.text);
    } else {
      send(client, { type: 'refused', id: '', reason: 'no frame of this channel' });
    }
  }

  private accept(client: net.Socket, frame: Frame, text: string): void {
    const id = String(frame.id ?? '');
    let reason = refusal(text);
    let jid = '';
    try {
      const found = reason ? { reason } : this.groups.named(frame.group, frame.create === true);
      if ('jid' in found) {
        jid = found.jid;
        this.store(jid, text);
      } else {
        reason = found.reason;
      }
    } catch (err) {
      logger.error({ err }, 'Local channel could not store a message');
      reason = 'NanoClaw could not store it';
    }
    if (reason) {
      send(client, { type: 'refused', id, reason });
      return;
    }
    this.listeners.set(client, jid);
    for (const { text: earlier, at } of this.missed.get(jid) ?? []) {
      send(client, { type: 'missed', text: earlier, at });
    }
    this.missed.delete(jid);
    const waiting = this.waiting.get(jid) ?? 0;
    const group = this.groups.of(jid)?.folder;
    send(client, { type: 'accepted', id, group, waiting });
    this.waiting.set(jid, waiting + 1);
  }

  private store(jid: string, text: string): void {
    const timestamp = this.stamp();
    const name = this.groups.of(jid)?.name ?? 'Operator';
    // The chat must exist before its message: foreign keys are enforced.
    this.options.onChatMetadata(jid, timestamp, name, 'local', false);
    this.options.onMessage(jid, {
      id: `local-${process.pid}-${this.lastStamp}`,
      chat_jid: jid,
      sender: OPERATOR,
      sender_name: 'Operator',
      content: text,
      timestamp,
      is_from_me: true,
      is_bot_message: false,
    });
  }

  /**
   * A moment that the message loop has not passed yet: it never looks at one that is not later
   * than the newest it has seen, in any chat.
   */
  private stamp(): string {
    const seen = Date.parse(getRouterState('last_timestamp') ?? '') || 0;
    this.lastStamp = Math.max(Date.now(), seen + 1, this.lastStamp + 1);
    return new Date(this.lastStamp).toISOString();
  }

  private broadcast(jid: string, frame: object): void {
    for (const [client, listens] of this.listeners) {
      if (listens === jid) send(client, frame);
    }
  }
}

/** Why the message loop would pass over this text without a word, or null. */
function refusal(text: string): string | null {
  if (!text.trim()) return 'the message is empty';
  if (text.toLowerCase().startsWith(`${ASSISTANT_NAME.toLowerCase()}:`)) {
    return `NanoClaw takes what begins with "${ASSISTANT_NAME}:" for its own answer`;
  }
  if (/^\/remote-control(-end)?$/.test(text.trim())) {
    return 'remote control is not for this channel';
  }
  return null;
}

function send(client: net.Socket, frame: object): void {
  if (!client.destroyed) client.write(`${JSON.stringify(frame)}\n`);
}

/** Tell whether somebody listens on a socket; a file left by a killed process does not. */
function answers(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const client = net.connect(socket);
    client.once('connect', () => {
      client.destroy();
      resolve(true);
    });
    client.once('error', () => resolve(false));
  });
}

export function localChannel(options: Options): LocalChannel {
  return new LocalChannel(options);
}
