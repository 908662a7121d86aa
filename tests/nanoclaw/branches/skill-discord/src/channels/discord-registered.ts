import { DISCORD_BOT_TOKEN } from '../config.js';
import { DiscordChannel } from './discord.js';
import { registerChannel } from './registry.js';

registerChannel('discord', (opts) => (DISCORD_BOT_TOKEN ? new DiscordChannel(opts) : null));
