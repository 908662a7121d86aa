import { WebSocketServer, type WebSocket } from 'ws';

import { ASSISTANT_NAME, WEB_WS_PORT } from '../config.js';
import { logger } from '../logger.js';
import type { Channel } from '../types.js';
import { factories, type Callbacks } from './registry.js';

const MAIN = 'main';

/** Frames {"type":"message","text":…} on ws://127.0.0.1:<port>, to the main group unless told. */
class WebChannel implements Channel {
  readonly name = 'web';
  private server?: WebSocketServer;
  private count = 0;

  constructor(private readonly callbacks: Callbacks) {}

  async connect(): Promise<void> {
    const server = new WebSocketServer({ host: '127.0.0.1', port: WEB_WS_PORT });
    this.server = server;
    await new Promise<void>((resolve, reject) => {
      server.on('listening', resolve);
      server.on('error', reject);
    });
    if (!this.callbacks.groups().some((one) => one.isMain)) {
      this.callbacks.register({
        jid: `web:${MAIN}`,
        name: 'Main',
        folder: MAIN,
        trigger: `@${ASSISTANT_NAME}`,
        requiresTrigger: false,
        isMain: true,
      });
    }
    server.on('connection', (socket) => {
      socket.on('message', (data) => this.hear(socket, String(data)));
    });
    logger.info({ port: WEB_WS_PORT }, 'Web channel listening');
  }

  private hear(socket: WebSocket, frame: string): void {
    let asked: { type?: string; text?: string; group?: string; sender?: string };
    try {
      asked = JSON.parse(frame);
    } catch {
      asked = {};
    }
    if (asked.type !== 'message' || typeof asked.text !== 'string') {
      socket.send(JSON.stringify({ type: 'error', text: 'expected {"type":"message","text":…}' }));
      return;
    }
    const chatJid = `web:${asked.group ?? MAIN}`;
    const sender = asked.sender ?? 'web-user';
    const timestamp = new Date().toISOString();
    this.count += 1;
    this.callbacks.onChat(chatJid, asked.group ?? 'Main', this.name, true);
    this.callbacks.onMessage({
      id: `web-${timestamp}-${this.count}`,
      chatJid,
      sender,
      senderName: sender,
      content: asked.text,
      timestamp,
    });
  }

  private tell(jid: string, frame: Record<string, unknown>): void {
    const group = jid.slice('web:'.length);
    const text = JSON.stringify({ ...frame, ...(group === MAIN ? {} : { group }) });
    for (const client of this.server?.clients ?? []) client.send(text);
  }

  async send(jid: string, text: string): Promise<void> {
    this.tell(jid, { type: 'message', text });
  }

  async typing(jid: string, on: boolean): Promise<void> {
    this.tell(jid, { type: 'typing', on });
  }

  owns(jid: string): boolean {
    return jid.startsWith('web:');
  }

  async disconnect(): Promise<void> {
    for (const client of this.server?.clients ?? []) client.terminate();
    this.server?.close();
  }
}

factories.set('web', (callbacks) => (WEB_WS_PORT ? new WebChannel(callbacks) : null));
