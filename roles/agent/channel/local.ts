/**
 * The operator's own channel: a Unix socket beside the state folders, one JSON object per line.
 *
 * `clawkeep agent say` is its client. It has no network and no credential: whoever may open the
 * socket (mode 0600, the service user's) may speak. Compiled with NanoClaw 1.1 and 1.2.
 *
 * in   {"type":"message","id":…,"text":…}   {"type":"ping"}
 * out  {"type":"hello","assistant":…,"pid":…}            once, on connecting
 *      {"type":"accepted","id":…,"waiting":n}            n earlier messages have no answer yet
 *      {"type":"refused","id":…,"reason":…}              NanoClaw would never answer it
 *      {"type":"pong"}
 * and to those who have sent a message
 *      {"type":"missed","text":…,"at":…}                 said while there was nobody
 *      {"type":"message","text":…}  {"type":"typing","on":…}
 */
import fs from 'fs';
import net from 'net';
import path from 'path';

import { ASSISTANT_NAME, GROUPS_DIR, STORE_DIR } from '../config.js';
import { getRouterState, setRegisteredGroup } from '../db.js';
import { logger } from '../logger.js';
import type {
  Channel,
  OnChatMetadata,
  OnInboundMessage,
  RegisteredGroup,
} from '../types.js';

const JID = 'local:operator';
const MAX_LINE = 8 * 1024 * 1024;
const MAX_MISSED = 20;

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
  private listeners = new Set<net.Socket>();
  private missed: Array<{ text: string; at: string }> = [];
  private waiting = 0;
  private lastStamp = 0;
  private options: Options;

  constructor(options: Options) {
    this.options = options;
  }

  async connect(): Promise<void> {
    this.register();
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
    return jid.startsWith('local:');
  }

  async sendMessage(_jid: string, text: string): Promise<void> {
    this.waiting = 0;
    if (this.listeners.size === 0) {
      this.missed.push({ text, at: new Date().toISOString() });
      this.missed.splice(0, this.missed.length - MAX_MISSED);
      return;
    }
    this.broadcast({ type: 'message', text });
  }

  async setTyping(_jid: string, isTyping: boolean): Promise<void> {
    this.broadcast({ type: 'typing', on: isTyping });
  }

  /**
   * The operator's chat is a group like any other: the main one only when there is none, since
   * main has more rights.
   */
  private register(): void {
    const groups = this.options.registeredGroups();
    if (groups[JID]) return;
    const taken = Object.values(groups) as Array<
      RegisteredGroup & { isMain?: boolean }
    >;
    const folders = new Set(taken.map((group) => group.folder));
    const main = !folders.has('main') && !taken.some((group) => group.isMain);
    let folder = main ? 'main' : 'operator';
    for (let n = 2; folders.has(folder); n++) folder = `operator-${n}`;
    const group = {
      name: 'Operator',
      folder,
      trigger: `@${ASSISTANT_NAME}`,
      added_at: new Date().toISOString(),
      requiresTrigger: false,
      isMain: main || undefined,
    };
    fs.mkdirSync(path.join(GROUPS_DIR, folder, 'logs'), { recursive: true });
    setRegisteredGroup(JID, group);
    groups[JID] = group;
    logger.info({ jid: JID, folder }, 'Local channel registered its group');
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
    let frame: { type?: unknown; id?: unknown; text?: unknown } | null;
    try {
      frame = JSON.parse(line);
    } catch {
      frame = null;
    }
    if (frame?.type === 'ping') {
      send(client, { type: 'pong' });
    } else if (frame?.type === 'message' && typeof frame.text === 'string') {
      const id = String(frame.id ?? '');
      const reason = refusal(frame.text);
      if (reason) send(client, { type: 'refused', id, reason });
      else this.accept(client, id, frame.text);
    } else {
      send(client, { type: 'refused', id: '', reason: 'no frame of this channel' });
    }
  }

  private accept(client: net.Socket, id: string, text: string): void {
    const timestamp = this.stamp();
    try {
      // The chat must exist before its message: foreign keys are enforced.
      this.options.onChatMetadata(JID, timestamp, 'Operator', 'local', false);
      this.options.onMessage(JID, {
        id: `local-${process.pid}-${this.lastStamp}`,
        chat_jid: JID,
        sender: JID,
        sender_name: 'Operator',
        content: text,
        timestamp,
        is_from_me: true,
        is_bot_message: false,
      });
    } catch (err) {
      logger.error({ err }, 'Local channel could not store a message');
      send(client, { type: 'refused', id, reason: 'NanoClaw could not store it' });
      return;
    }
    this.listeners.add(client);
    for (const { text: earlier, at } of this.missed.splice(0)) {
      send(client, { type: 'missed', text: earlier, at });
    }
    send(client, { type: 'accepted', id, waiting: this.waiting });
    this.waiting += 1;
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

  private broadcast(frame: object): void {
    for (const client of this.listeners) send(client, frame);
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
