import fs from 'node:fs';
import path from 'node:path';

import { STORE_DIR } from '../config.js';
import { logger } from '../logger.js';
import type { Channel, ChannelOpts } from '../types.js';

const EXIT_DELAY_MS = 1000;

/** WhatsApp as far as it matters here: unpaired, it asks for a QR code and ends the program. */
export class WhatsAppChannel implements Channel {
  readonly name = 'whatsapp';

  constructor(readonly opts: ChannelOpts) {}

  async connect(): Promise<void> {
    if (fs.existsSync(path.join(STORE_DIR, 'auth', 'creds.json'))) {
      logger.info('Connected to WhatsApp');
      return;
    }
    logger.error('WhatsApp authentication required. Run /setup in Claude Code.');
    await new Promise(() => setTimeout(() => process.exit(1), EXIT_DELAY_MS));
  }

  async sendMessage(jid: string, text: string): Promise<void> {
    logger.info({ jid, length: text.length }, 'Message sent');
  }

  ownsJid(jid: string): boolean {
    return jid.endsWith('@g.us') || jid.endsWith('@s.whatsapp.net');
  }

  isConnected(): boolean {
    return true;
  }

  async disconnect(): Promise<void> {}
}
