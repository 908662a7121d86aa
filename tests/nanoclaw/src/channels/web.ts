import { WebSocketServer, type WebSocket } from 'ws';

import { ASSISTANT_NAME, WEB_WS_PORT } from '../config.js';
import { setRegisteredGroup } from '../db.js';
import { logger } from '../logger.js';
import type { Channel, ChannelOpts } from '../types.js';

const MAIN = 'main';

/** Frames {"type":"message","text":…} on ws://127.0.0.1:<port>, to the main group unless told. */
export class WebChannel implements Channel {
  readonly name = 'web';
  private server?: WebSocketServer;
  private count = 0;

  constructor(private readonly opts: ChannelOpts) {}

  async connect(): Promise<void> {
    const server = new WebSocketServer({ host: '127.0.0.1', port: WEB_WS_PORT });
    await new Promise<void>((resolve, reject) => {
      server.on('listening', resolve);
      server.on('error', reject);
    });
    this.server = server;
    this.register();
    server.on('connection', (socket) => {
      socket.on('message', (data) => this.hear(socket, String(data)));
    });
    logger.info({ port: WEB_WS_PORT }, 'Web channel WebSocket listening');
  }

  private register(): void {
    const groups = this.opts.registeredGroups();
    if (Object.values(groups).some((one) => one.isMain || one.folder === MAIN)) return;
    const group = {
      name: 'Main',
      folder: MAIN,
      trigger: `@${ASSISTANT_NAME}`,
      added_at: new Date().toISOString(),
      requiresTrigger: false,
      isMain: true,
    };
    setRegisteredGroup(`web:${MAIN}`, group);
    groups[`web:${MAIN}`] = group;
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
    const jid = `web:${asked.group ?? MAIN}`;
    const sender = asked.sender ?? 'web-user';
    const timestamp = new Date().toISOString();
    this.count += 1;
    this.opts.onChatMetadata(jid, timestamp, asked.group ?? 'Main', this.name, true);
    this.opts.onMessage(jid, {
      id: `web-${timestamp}-${this.count}`,
      chat_jid: jid,
      sender,
      sender_name: sender,
      content: asked.text,
      timestamp,
    });
  }

  private tell(jid: string, frame: Record<string, unknown>): void {
    const group = jid.slice('web:'.length);
    const text = JSON.stringify({ ...frame, ...(group === MAIN ? {} : { group }) });
    for (const client of this.server?.clients ?? []) client.send(text);
  }

  async sendMessage(jid: string, text: string): Promise<void> {
    this.tell(jid, { type: 'message', text });
  }

  async setTyping(jid: string, isTyping: boolean): Promise<void> {
    this.tell(jid, { type: 'typing', on: isTyping });
  }

  ownsJid(jid: string): boolean {
    return jid.startsWith('web:');
  }

  isConnected(): boolean {
    return this.server !== undefined;
  }

  async disconnect(): Promise<void> {
    for (const client of this.server?.clients ?? []) client.terminate();
    this.server?.close();
  }
}
