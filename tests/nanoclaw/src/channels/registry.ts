import type { Channel, Group, Message } from '../types.js';

export interface Callbacks {
  onMessage: (message: Message) => void;
  onChat: (jid: string, name: string, channel: string, isGroup: boolean) => void;
  groups: () => Group[];
  register: (group: Group) => void;
}

/** Makes a channel; null when its credentials are missing. */
type Factory = (callbacks: Callbacks) => Channel | null;

export const factories = new Map<string, Factory>();
