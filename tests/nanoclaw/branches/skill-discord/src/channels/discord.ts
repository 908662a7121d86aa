import https from 'node:https';

import WebSocket from 'ws';

import { DISCORD_BOT_TOKEN } from '../config.js';
import { logger } from '../logger.js';
import type { Channel, ChannelOpts } from '../types.js';

const API = 'https://discord.com/api/v10';
const DISPATCH = 0;
const HEARTBEAT = 1;
const IDENTIFY = 2;
const HELLO = 10;
const INTENTS = 33_281;
const RECONNECT_MS = 2000;

interface Event {
  op: number;
  t?: string;
  d?: Record<string, never>;
}

/** Ask the REST API; requests go by the global agent, so they know the proxy when Node is told of it. */
function ask(method: string, path: string, body?: unknown): Promise<Record<string, string>> {
  return new Promise((resolve, reject) => {
    const request = https.request(`${API}${path}`, {
      method,
      headers: { Authorization: `Bot ${DISCORD_BOT_TOKEN}`, 'Content-Type': 'application/json' },
    });
    request.on('error', reject);
    request.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('end', () => {
        if (response.statusCode === 401) {
          const err = new Error('An invalid token was provided.');
          err.name = 'TokenInvalid';
          reject(err);
        } else {
          resolve(text ? JSON.parse(text) : {});
        }
      });
    });
    request.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

export class DiscordChannel implements Channel {
  readonly name = 'discord';
  private socket?: WebSocket;
  private heart?: NodeJS.Timeout;
  private over = false;

  constructor(private readonly opts: ChannelOpts) {}

  /** Resolves when the bot is ready. Nobody catches a login that fails, and nothing is tried again. */
  connect(): Promise<void> {
    return new Promise((ready) => {
      void this.login(ready);
    });
  }

  private async login(ready: () => void): Promise<void> {
    const { url } = await ask('GET', '/gateway/bot');
    const socket = new WebSocket(`${url}/?v=10&encoding=json`, { agent: https.globalAgent });
    this.socket = socket;
    socket.on('message', (data) => this.hear(JSON.parse(String(data)), ready));
    socket.on('error', (err) => logger.error({ err: err.message }, 'Discord client error'));
    socket.on('close', (code) => {
      clearInterval(this.heart);
      if (this.over) return;
      logger.warn({ code }, 'Discord gateway closed, reconnecting');
      setTimeout(() => void this.login(ready), RECONNECT_MS);
    });
  }

  private say(op: number, d: unknown): void {
    this.socket?.send(JSON.stringify({ op, d }));
  }

  private hear(event: Event, ready: () => void): void {
    if (event.op === HELLO) {
      this.heart = setInterval(() => this.say(HEARTBEAT, null), event.d!.heartbeat_interval);
      this.say(IDENTIFY, { token: DISCORD_BOT_TOKEN, intents: INTENTS, properties: {} });
    }
    if (event.op !== DISPATCH || !event.d) return;
    if (event.t === 'READY') {
      const { username, id } = event.d.user as Record<string, string>;
      logger.info({ username, id }, 'Discord bot connected');
      ready();
    }
    if (event.t === 'MESSAGE_CREATE') {
      const { channel_id: channel, content, author, id } = event.d;
      const { username } = author as { username: string };
      const timestamp = new Date().toISOString();
      this.opts.onChatMetadata(`dc:${channel}`, timestamp, channel, this.name, true);
      this.opts.onMessage(`dc:${channel}`, {
        id,
        chat_jid: `dc:${channel}`,
        sender: username,
        sender_name: username,
        content,
        timestamp,
      });
    }
  }

  async sendMessage(jid: string, text: string): Promise<void> {
    try {
      await ask('POST', `/channels/${jid.slice('dc:'.length)}/messages`, { content: text });
      logger.info({ jid, length: text.length }, 'Discord message sent');
    } catch (err) {
      logger.error({ jid, err }, 'Failed to send Discord message');
    }
  }

  async setTyping(jid: string, isTyping: boolean): Promise<void> {
    if (isTyping) await ask('POST', `/channels/${jid.slice('dc:'.length)}/typing`).catch(() => {});
  }

  ownsJid(jid: string): boolean {
    return jid.startsWith('dc:');
  }

  isConnected(): boolean {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  async disconnect(): Promise<void> {
    this.over = true;
    this.socket?.terminate();
    logger.info('Discord bot stopped');
  }
}
